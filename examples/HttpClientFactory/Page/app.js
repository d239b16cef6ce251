// Polls /status and shows it; draws M3's race distribution, which is a call to M3 each time.
const pollEvery = 2_000;
const patience = 60_000;

const $ = id => document.getElementById(id);
let expiry = null;      // by this browser's monotonic clock
let lastChart = null;

// Only what changed is written, so that a screen reader hears no more than that. A remedy ends in the page that says more.
function show(element, text) {
  if (element.dataset.shown === text)
    return;
  element.dataset.shown = text;
  element.replaceChildren(...text.split(/(?<=\bSee )(https:\/\/[^\s;]*[^\s;.,])/).map((part, i) => i % 2 ? link(part) : part));
}

function link(href) {
  const a = document.createElement("a");
  a.href = href;
  a.textContent = href.split("/").pop();
  return a;
}

function make(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}

function paragraph(text, className = "") {
  const p = make("p");
  p.className = className;
  show(p, text);
  return p;
}

const time = text => new Date(text).toISOString().slice(0, 19).replace("T", " ") + "Z";

// In its two largest units: "29 min 54 s", "1 h".
function duration(seconds) {
  const parts = [[seconds / 86400, "d"], [seconds / 3600 % 24, "h"], [seconds / 60 % 60, "min"], [seconds % 60, "s"]]
    .map(([count, unit]) => [Math.floor(count), unit]);
  const first = parts.findIndex(([count]) => count > 0);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).filter(([count]) => count > 0).map(part => part.join(" ")).join(" ");
}

function showHealth(word, why) {
  $("health").dataset.status = word;
  show($("health-word"), word);
  show($("health-why"), why);
  document.title = `${word}: M3 client`;
}

function showToken(token, problem) {
  $("token").hidden = !token;
  show($("token-note"), token ? "" : `There is no valid token. ${problem.detail}. ${problem.remedy}`);
  expiry = token?.expiresInSeconds == null ? null : performance.now() + token.expiresInSeconds * 1000;
  if (!token)
    return;
  show($("subject"), token.subject ?? "not said");
  show($("expires-at"), expiry === null ? "never" : `at ${time(token.expiresAt)}`);
  show($("signed-by"), token.keyId ? `${token.keyId} (${token.algorithm})` : "not said");
  show($("issuer"), token.issuer ?? "not said");
  show($("scopes"), token.scopes.join(" ") || "none");
  countDown();
}

function countDown() {
  const left = expiry === null ? null : (expiry - performance.now()) / 1000;
  show($("expires-in"), left === null ? "" : left > 0 ? `in ${duration(left)}` : "now");
}

function showKeys(keys) {
  const meaning = {
    Empty: "none were fetched",
    Fresh: keys.freshUntil && `until ${time(keys.freshUntil)}`,
    Stale: keys.usableUntil && `past their lifetime; used until ${time(keys.usableUntil)} while the issuer is down`,
    Expired: "too old to be used",
  }[keys.state];
  $("keys").hidden = false;
  show($("keys-state"), `${keys.state}: ${meaning}`);
  showList($("keys-usable"), keys.usable);
  showList($("keys-ignored"), keys.ignored);
  show($("keys-note"), keys.lastError ? `The issuer could not be asked: ${keys.lastError}` : "");
}

function showList(list, items) {
  list.replaceChildren(...(items.length ? items : ["none"]).map(item => make("li", item)));
}

function showBudget(budget) {
  $("budget").hidden = !budget;
  if (!budget) {
    show($("budget-left"), "Not known before a first call went out.");
    return;
  }
  show($("budget-left"), `${budget.left} of ${budget.limit} calls to ${budget.host} are left within ${duration(budget.windowSeconds)}.`);
  const few = budget.limit / 10;
  Object.assign($("budget"), { min: 0, max: budget.limit, low: few, high: few, optimum: budget.limit, value: budget.left });
}

function showRefusals(refusals) {
  const list = $("refusals");
  const text = JSON.stringify(refusals);
  if (list.dataset.shown === text)
    return;
  list.dataset.shown = text;
  list.replaceChildren(...(refusals.length ? refusals.map(refusal => make("li",
    paragraph(`${time(refusal.at)}, ${refusal.request}`, "note"),
    make("p", make("strong", refusal.title), `${refusal.detail.slice(refusal.title.length)}.`),
    paragraph(refusal.remedy))) : [make("li", "None since the service started.")]));
}

async function loadStatus() {
  let status;
  try {
    const response = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    status = response.ok ? await response.json() : null;
  } catch {
    status = null;
  }
  if (status === null) {
    showHealth("Unknown", "This page gets no answer from its service. It tries again, and what it shows below is from before.");
    return;
  }
  showHealth(status.health.status, status.health.why ?? "");
  showToken(status.token, status.tokenProblem);
  showKeys(status.keys);
  showBudget(status.budget);
  showRefusals(status.refusals);
}

// One at a time, so that no older answer is shown after a newer one.
let loading = Promise.resolve();
const refresh = () => loading = loading.then(loadStatus);

function drawChart(rows) {
  const most = Math.max(...rows.map(row => Number(row.count)));
  $("races").hidden = rows.length === 0;
  $("races").tBodies[0].replaceChildren(...rows.map(row => {
    const bar = make("span");
    bar.className = "bar";
    bar.style.width = `${100 * row.count / most}%`;
    const name = make("th", row.race);
    name.scope = "row";
    const cell = make("div", bar, row.count);
    cell.className = "row";
    return make("tr", name, make("td", cell));
  }));
}

// What there is to say of a call; the rows, where there are any, are drawn.
async function drawRaces() {
  try {
    const response = await fetch("race-distribution?limit=10", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    const answer = await response.json();
    if (!response.ok)
      return { failure: answer.remedy ? `Refused. ${answer.detail}.` : `${answer.title}: ${answer.detail}` };
    drawChart(answer);
    lastChart = time(Date.now());
    return { rows: answer.length };
  } catch {
    return { failure: "The service did not answer." };
  }
}

async function callM3() {
  const button = $("call");
  if (button.ariaDisabled === "true")
    return;
  button.ariaDisabled = "true";
  show($("outcome"), "Calling M3.");
  const { rows, failure } = await drawRaces();
  show($("outcome"), failure ?? `M3 answered with ${rows} rows.`);
  show($("races-note"), failure ? lastChart ? `As of ${lastChart}: the last call failed.` : "There is no chart yet: the call failed." : "");
  await refresh();
  button.ariaDisabled = "false";
}

$("call").addEventListener("click", callM3);
setInterval(countDown, 1_000);
callM3();
for (;;) {
  await refresh();
  await new Promise(resolve => setTimeout(resolve, pollEvery));
}
