-- MIMIC-IV's tables and columns as M3 names them, with made-up rows: no real patient, and none can be.
-- Everything is computed from row numbers, so that every run has the same data. Identifiers start at
-- 90000000, where MIMIC-IV has none; item and diagnosis codes are the public ones.

-- One of so many choices for row n, as if by chance; each use draws from a lot of its own. MD5, because it
-- is the same in every version of DuckDB, which hash() need not be.
CREATE TEMP MACRO pick(n, lot, choices) AS CAST(md5_number_lower(concat(n, '/', lot)) % choices AS BIGINT);

CREATE TABLE hosp_patients AS
SELECT
    CAST(90000000 + n AS INTEGER) AS subject_id,
    ['F', 'M'][1 + pick(n, 1, 2)] AS gender,
    CAST(18 + pick(n, 2, 74) AS SMALLINT) AS anchor_age,
    CAST(2150 + pick(n, 3, 40) AS SMALLINT) AS anchor_year,
    ['2008 - 2010', '2011 - 2013', '2014 - 2016', '2017 - 2019', '2020 - 2022'][1 + pick(n, 4, 5)] AS anchor_year_group,
    CAST(NULL AS DATE) AS dod -- filled in below, where a stay ends in death
FROM range(1, 301) AS patients(n);

CREATE TABLE hosp_admissions AS
WITH stays AS (
    SELECT
        n, p.subject_id,
        make_timestamp(p.anchor_year, 1, 1, 0, 0, 0)
            + to_days(CAST(365 * (n // 300) + pick(n, 8, 360) AS INTEGER)) + to_minutes(pick(n, 9, 1440)) AS admitted,
        -- Never in the first of two stays.
        n > 150 AND n % 13 = 0 AS died
    FROM range(1, 451) AS admissions(n)
    JOIN hosp_patients AS p ON p.subject_id = 90000000 + 1 + (n - 1) % 300
)
SELECT
    subject_id,
    CAST(92000000 + n AS INTEGER) AS hadm_id,
    admitted AS admittime,
    admitted + to_hours(30 + pick(n, 10, 300)) AS dischtime,
    CASE WHEN died THEN admitted + to_hours(30 + pick(n, 10, 300)) END AS deathtime,
    ['EW EMER.', 'URGENT', 'ELECTIVE', 'OBSERVATION ADMIT', 'DIRECT EMER.'][1 + pick(n, 11, 5)] AS admission_type,
    'P9' || lpad(CAST(pick(n, 12, 60) AS VARCHAR), 4, '0') AS admit_provider_id,
    ['EMERGENCY ROOM', 'PHYSICIAN REFERRAL', 'TRANSFER FROM HOSPITAL', 'WALK-IN/SELF REFERRAL'][1 + pick(n, 13, 4)] AS admission_location,
    CASE WHEN died THEN 'DIED' ELSE ['HOME', 'HOME HEALTH CARE', 'SKILLED NURSING FACILITY', 'REHAB'][1 + pick(n, 14, 4)] END
        AS discharge_location,
    ['Medicare', 'Medicaid', 'Private', 'Other'][1 + pick(n, 15, 4)] AS insurance,
    ['English', 'English', 'English', 'Spanish', 'Portuguese', 'Chinese'][1 + pick(subject_id, 16, 6)] AS language,
    ['MARRIED', 'SINGLE', 'WIDOWED', 'DIVORCED'][1 + pick(subject_id, 17, 4)] AS marital_status,
    ['WHITE', 'WHITE', 'WHITE', 'WHITE', 'BLACK/AFRICAN AMERICAN', 'BLACK/AFRICAN AMERICAN', 'HISPANIC/LATINO - PUERTO RICAN',
     'ASIAN', 'ASIAN - CHINESE', 'PORTUGUESE', 'OTHER', 'UNKNOWN'][1 + pick(subject_id, 18, 12)] AS race,
    CASE WHEN n % 3 > 0 THEN admitted - to_hours(2 + pick(n, 19, 8)) END AS edregtime,
    CASE WHEN n % 3 > 0 THEN admitted - to_minutes(pick(n, 20, 90)) END AS edouttime,
    CAST(died AS SMALLINT) AS hospital_expire_flag
FROM stays
ORDER BY n;

UPDATE hosp_patients SET dod = CAST(a.deathtime AS DATE)
FROM hosp_admissions AS a
WHERE a.subject_id = hosp_patients.subject_id AND a.deathtime IS NOT NULL;

CREATE TABLE hosp_d_icd_diagnoses (icd_code VARCHAR, icd_version SMALLINT, long_title VARCHAR);
INSERT INTO hosp_d_icd_diagnoses VALUES
    ('A419', 10, 'Sepsis, unspecified organism'),
    ('E119', 10, 'Type 2 diabetes mellitus without complications'),
    ('E785', 10, 'Hyperlipidemia, unspecified'),
    ('I10', 10, 'Essential (primary) hypertension'),
    ('I4891', 10, 'Unspecified atrial fibrillation'),
    ('I509', 10, 'Heart failure, unspecified'),
    ('J189', 10, 'Pneumonia, unspecified organism'),
    ('N179', 10, 'Acute kidney failure, unspecified');

CREATE TABLE hosp_diagnoses_icd AS
SELECT a.subject_id, a.hadm_id, CAST(s.n AS INTEGER) AS seq_num, d.icd_code, d.icd_version
FROM hosp_admissions AS a
CROSS JOIN range(1, 4) AS s(n)
JOIN (SELECT *, row_number() OVER (ORDER BY icd_code) - 1 AS n FROM hosp_d_icd_diagnoses) AS d
    ON d.n = (pick(a.hadm_id, 21, 8) + s.n * 3) % 8
ORDER BY a.hadm_id, seq_num;

CREATE TEMP TABLE lab_ranges (itemid INTEGER, label VARCHAR, category VARCHAR, uom VARCHAR, low DOUBLE, high DOUBLE);
INSERT INTO lab_ranges VALUES
    (50813, 'Lactate', 'Blood Gas', 'mmol/L', 0.5, 2.0),
    (50882, 'Bicarbonate', 'Chemistry', 'mEq/L', 22, 32),
    (50902, 'Chloride', 'Chemistry', 'mEq/L', 96, 108),
    (50912, 'Creatinine', 'Chemistry', 'mg/dL', 0.4, 1.1),
    (50931, 'Glucose', 'Chemistry', 'mg/dL', 70, 105),
    (50971, 'Potassium', 'Chemistry', 'mEq/L', 3.3, 5.1),
    (50983, 'Sodium', 'Chemistry', 'mEq/L', 133, 145),
    (51006, 'Urea Nitrogen', 'Chemistry', 'mg/dL', 6, 20),
    (51221, 'Hematocrit', 'Hematology', '%', 34, 45),
    (51222, 'Hemoglobin', 'Hematology', 'g/dL', 11.2, 15.7),
    (51265, 'Platelet Count', 'Hematology', 'K/uL', 150, 400),
    (51301, 'White Blood Cells', 'Hematology', 'K/uL', 4.0, 10.0);

CREATE TABLE hosp_d_labitems AS
SELECT itemid, label, 'Blood' AS fluid, category FROM lab_ranges ORDER BY itemid;

CREATE TABLE hosp_labevents AS
WITH draws AS (
    SELECT
        a.subject_id, a.hadm_id, r.*, a.hadm_id * 4 + d.n AS draw,
        a.admittime + to_hours(6 + 12 * d.n) AS charttime,
        -- A quarter of the normal range beyond it on either side, so that a third of the results are abnormal.
        round(r.low + (r.high - r.low) * (pick(a.hadm_id * 2 + d.n, r.itemid, 1500) - 250) / 1000, 1) AS result
    FROM hosp_admissions AS a
    CROSS JOIN range(2) AS d(n)
    CROSS JOIN lab_ranges AS r
)
SELECT
    CAST(row_number() OVER (ORDER BY draw, itemid) AS INTEGER) AS labevent_id,
    subject_id,
    hadm_id,
    CAST(draw AS INTEGER) AS specimen_id,
    itemid,
    'P9' || lpad(CAST(pick(draw, 22, 60) AS VARCHAR), 4, '0') AS order_provider_id,
    charttime,
    charttime + to_minutes(35 + pick(draw, 23, 50)) AS storetime,
    CAST(result AS VARCHAR) AS value,
    result AS valuenum,
    uom AS valueuom,
    low AS ref_range_lower,
    high AS ref_range_upper,
    CASE WHEN result NOT BETWEEN low AND high THEN 'abnormal' END AS flag,
    ['ROUTINE', 'STAT'][1 + pick(draw, 24, 2)] AS priority,
    CAST(NULL AS VARCHAR) AS comments
FROM draws
ORDER BY labevent_id;

CREATE TABLE icu_icustays AS
WITH stays AS (
    SELECT *, hadm_id - 92000000 AS n, admittime + to_hours(1 + pick(hadm_id, 25, 9)) AS entered
    FROM hosp_admissions
    WHERE hadm_id % 5 IN (0, 2)
)
SELECT
    subject_id,
    hadm_id,
    CAST(93000000 + n AS INTEGER) AS stay_id,
    unit AS first_careunit,
    unit AS last_careunit,
    entered AS intime,
    entered + to_hours(hours) AS outtime,
    round(hours / 24.0, 4) AS los
FROM (
    SELECT
        *, least(10 + pick(n, 26, 120), date_sub('hour', entered, dischtime)) AS hours,
        ['Medical Intensive Care Unit (MICU)', 'Surgical Intensive Care Unit (SICU)', 'Cardiac Vascular Intensive Care Unit (CVICU)',
         'Trauma SICU (TSICU)', 'Coronary Care Unit (CCU)'][1 + pick(n, 27, 5)] AS unit
    FROM stays
)
ORDER BY stay_id;

CREATE TABLE icu_d_items (
    itemid INTEGER, label VARCHAR, abbreviation VARCHAR, linksto VARCHAR, category VARCHAR, unitname VARCHAR, param_type VARCHAR,
    lownormalvalue DOUBLE, highnormalvalue DOUBLE);
INSERT INTO icu_d_items VALUES
    (220045, 'Heart Rate', 'HR', 'chartevents', 'Routine Vital Signs', 'bpm', 'Numeric', 60, 100),
    (220179, 'Non Invasive Blood Pressure systolic', 'NBPs', 'chartevents', 'Routine Vital Signs', 'mmHg', 'Numeric', 90, 140),
    (220210, 'Respiratory Rate', 'RR', 'chartevents', 'Respiratory', 'insp/min', 'Numeric', 12, 20),
    (220277, 'O2 saturation pulseoxymetry', 'SpO2', 'chartevents', 'Respiratory', '%', 'Numeric', 90, 100),
    (223761, 'Temperature Fahrenheit', 'Temperature F', 'chartevents', 'Routine Vital Signs', '°F', 'Numeric', 97, 100);

CREATE TABLE icu_chartevents AS
SELECT
    s.subject_id,
    s.hadm_id,
    s.stay_id,
    CAST(94000 + pick(s.stay_id, 28, 50) AS INTEGER) AS caregiver_id,
    s.intime + to_hours(h.n) AS charttime,
    s.intime + to_hours(h.n) + to_minutes(4) AS storetime,
    i.itemid,
    CAST(CAST(reading AS INTEGER) AS VARCHAR) AS value,
    reading AS valuenum,
    i.unitname AS valueuom,
    CAST(0 AS SMALLINT) AS warning
FROM icu_icustays AS s
CROSS JOIN range(6) AS h(n)
CROSS JOIN (
    SELECT *, CAST(highnormalvalue - lownormalvalue AS INTEGER) AS span FROM icu_d_items
) AS i
CROSS JOIN LATERAL (SELECT i.lownormalvalue + pick(s.stay_id * 6 + h.n, i.itemid, i.span + 1) AS reading)
ORDER BY s.stay_id, charttime, i.itemid;

DROP TABLE lab_ranges;

-- From here on a query can read these tables and nothing else: no file, no network, no other setting.
SET enable_external_access = false;
SET lock_configuration = true;
