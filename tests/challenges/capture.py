"""What PyJWT and python-jose say of tokens that are wrong, behind a gateway that puts their words into its challenge as they are, as it goes
over the wire: one line of JSON for each. "error" is the M3AuthError that the words name; Rejected, where they name none.
    apt-get install python3-jwt python3-jose python3-cryptography
    /usr/bin/python3 capture.py > python.jsonl
"""
import base64
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt as jose

ISSUER, AUDIENCE = "https://issuer.example/", "m3-api"
METADATA = "https://m3.example/.well-known/oauth-protected-resource/sse"
NOW = int(time.time())


def new_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


PRIVATE, PUBLIC = new_key()
OTHER, _ = new_key()


def encode(part):
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def sign(key=PRIVATE, headers=None, **changes):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "iat": NOW, "exp": NOW + 600, **changes}
    payload = json.dumps({name: value for name, value in claims.items() if value is not None})
    return jwt.api_jws.encode(payload.encode(), key, "RS256", headers={"kid": "one", **(headers or {})})


def unsigned(header, payload, signature="AAAA"):
    return f"{encode(header)}.{encode(payload)}.{signature}"


def by_pyjwt(token):
    jwt.decode(token, PUBLIC, algorithms=["RS256", "ES256"], audience=AUDIENCE, issuer=ISSUER, options={"require": ["exp", "iss", "aud"]})


def by_jwk_client(path):
    client = jwt.PyJWKClient(f"http://127.0.0.1:{server.server_port}{path}")
    return lambda token: jwt.decode(token, client.get_signing_key_from_jwt(token).key, algorithms=["RS256"], audience=AUDIENCE)


def by_jose(token):
    jose.decode(token, PUBLIC.decode(), algorithms=["RS256", "ES256"], audience=AUDIENCE, issuer=ISSUER,
                options={"require_exp": True, "require_iss": True, "require_aud": True})


JWK = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(serialization.load_pem_public_key(PUBLIC))), "kid": "one", "use": "sig", "alg": "RS256"}
DOCUMENTS = {"/keys": json.dumps({"keys": [JWK]}), "/empty": '{"keys":[]}', "/none": json.dumps({"keys": [{**JWK, "use": "enc"}]})}


class Gateway(BaseHTTPRequestHandler):
    judge = None

    def do_GET(self):
        if self.path in DOCUMENTS or self.path == "/down":
            self.send_response(503 if self.path == "/down" else 200)
            self.end_headers()
            self.wfile.write(DOCUMENTS.get(self.path, "").encode())
            return
        try:
            Gateway.judge(self.headers["Authorization"].removeprefix("Bearer "))
            self.send_response(200)
        except Exception as e:
            self.send_response(401)
            self.send_header("WWW-Authenticate", f'Bearer error="invalid_token", error_description="{e}", resource_metadata="{METADATA}"')
            self.send_header("X-Description", str(e))
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(HTTPServer):
    def handle_error(self, *_):
        pass


# One for the gateway and, beside it, one for the keys that it asks for meanwhile.
server = Server(("127.0.0.1", 0), Gateway)
gateway = Server(("127.0.0.1", 0), Gateway)
for one in (server, gateway):
    threading.Thread(target=one.serve_forever, daemon=True).start()

ALIKE = [
    ("no JWT", "InvalidTokenFormat", "opaque"),
    ("a header that is no base64", "InvalidTokenFormat", f"a.{encode(b'{}')}.AAAA"),
    ("a header that is no JSON", "InvalidTokenFormat", unsigned(b"no", b"{}")),
    ("a header that is no object", "InvalidTokenFormat", unsigned(b"[]", b"{}")),
    ("a payload that is no base64", "InvalidTokenFormat", f"{encode(b'{}')}.a.AAAA"),
    ("a payload that is no object", "InvalidTokenFormat", jwt.api_jws.encode(b"[]", PRIVATE, "RS256")),
    ("a signature that is no base64", "Rejected", unsigned(b'{"alg":"RS256"}', b"{}", "a")),
    ("exp passed", "TokenExpired", sign(exp=NOW - 60)),
    ("no exp", "TokenExpired", sign(exp=None)),
    ("exp is a string", "TokenExpired", sign(exp="soon")),
    ("nbf in the future", "TokenNotYetValid", sign(nbf=NOW + 600)),
    ("nbf is a string", "TokenNotYetValid", sign(nbf="now")),
    ("iat is a string", "TokenNotYetValid", sign(iat="now")),
    ("another issuer", "InvalidIssuer", sign(iss="https://other.example/")),
    ("no issuer", "InvalidIssuer", sign(iss=None)),
    ("another audience", "InvalidAudience", sign(aud="other")),
    ("no audience", "InvalidAudience", sign(aud=None)),
    ("an audience that is a number", "Rejected", sign(aud=7)),
    ("another key", "InvalidTokenSignature", sign(key=OTHER)),
    ("HS256", "InvalidTokenSignature", jwt.encode({}, "secret", "HS256")),
    ("an algorithm that nobody has", "InvalidTokenSignature", unsigned(b'{"alg":"XS256"}', b"{}")),
    ("no algorithm", "InvalidTokenSignature", unsigned(b'{}', b"{}")),
    ("a kid that is a number", "InvalidTokenSignature", unsigned(b'{"alg":"RS256","kid":7}', b"{}")),
    ("crit", "InvalidTokenSignature", unsigned(b'{"alg":"RS256","crit":["x"],"x":1}', b"{}")),
]
CASES = [
    *[(f"PyJWT {version('PyJWT')}", by_pyjwt, *case) for case in ALIKE],
    (f"PyJWT {version('PyJWT')}", by_pyjwt, "iat in the future", "TokenNotYetValid", sign(iat=NOW + 600)),
    (f"PyJWT {version('PyJWT')}", by_jwk_client("/keys"), "a kid that nobody has", "InvalidTokenSignature", sign(headers={"kid": "zz"})),
    (f"PyJWT {version('PyJWT')}", by_jwk_client("/down"), "the keys are down", "JwksUnavailable", sign()),
    (f"PyJWT {version('PyJWT')}", by_jwk_client("/empty"), "no keys", "JwksUnavailable", sign()),
    (f"PyJWT {version('PyJWT')}", by_jwk_client("/none"), "no keys for signing", "JwksUnavailable", sign()),
    *[(f"python-jose {version('python-jose')}", by_jose, *case) for case in ALIKE],
    (f"python-jose {version('python-jose')}", by_jose, "sub is a number", "Rejected", sign(sub=7)),
    (f"python-jose {version('python-jose')}", by_jose, "jti is a number", "Rejected", sign(jti=7)),
]

for source, judge, name, error, token in CASES:
    Gateway.judge = staticmethod(judge)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.server_port)
    connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    if answer.status != 200:
        print(json.dumps({"from": source, "case": name, "error": error, "status": answer.status,
                          "description": answer.getheader("X-Description"), "challenge": answer.getheader("WWW-Authenticate")}))
