#!/usr/bin/env python3
"""What a bus with doors that are locked needs, made anew for each test: certificates, and keys with their JWTs.

    make_secrets.py FOLDER [certificates]

leaves in FOLDER (with `certificates` behind it, what has to do with TLS alone)

    ca.pem other-ca.pem                  two authorities
    server.pem server.key                of the first, for 127.0.0.1 and localhost
    elsewhere.pem elsewhere.key          of the first, for other.example
    expired.pem expired.key              of the first, for 127.0.0.1 and localhost, until yesterday
    client.pem client.key                of the first, for a client
    locked.key                           the client's, behind the passphrase hush-hush
    stranger.pem stranger.key            of the second, for a client
    operator.conf                        for nats-server: an operator that trusts one account
    user.creds                           a user of that account
    stranger.creds                       a user of an account that nobody knows
    ousted.creds                         the user's JWT with the seed of another

Needs the program `openssl`, and nothing else: a seed of NATS is an Ed25519 key in base32, and its JWTs are signed with it.
"""

import base64
import json
import pathlib
import subprocess
import sys

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3  # first bytes, so that the text begins with O, A, U, S

folder = pathlib.Path(sys.argv[1]).resolve()


def openssl(*arguments, given=b""):
    return subprocess.run(["openssl", *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True, cwd=folder).stdout


# --- certificates

def key(name):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name + ".key")


def authority(name):
    key(name)
    openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", "/CN=" + name, "-days", "2", "-out",
            name + ".pem")


def certificate(name, signer, names, use, days="2"):
    key(name)
    (folder / (name + ".ext")).write_text(f"subjectAltName={names}\nextendedKeyUsage={use}\n")
    request = openssl("req", "-new", "-key", name + ".key", "-subj", "/CN=" + name)
    openssl("x509", "-req", "-CA", signer + ".pem", "-CAkey", signer + ".key", "-CAcreateserial", "-days", days,
            "-extfile", name + ".ext", "-out", name + ".pem", given=request)


# --- keys and tokens of NATS

def checked(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return base64.b32encode(data + crc.to_bytes(2, "little")).rstrip(b"=").decode()


class Key:
    def __init__(self, kind):
        self.der = openssl("genpkey", "-algorithm", "ed25519", "-outform", "DER")
        self.file = folder / "signing.der"
        public = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", given=self.der)
        self.public = checked(bytes([kind]) + public[-32:])
        self.seed = checked(bytes([SEED | kind >> 5, (kind & 31) << 3]) + self.der[-32:])

    def sign(self, claims):
        def part(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        head = part(b'{"typ":"JWT","alg":"ed25519-nkey"}')
        body = part(json.dumps({"iat": 1700000000, "jti": "test", "iss": self.public, **claims}).encode())
        self.file.write_bytes(self.der)
        said = folder / "to-sign"  # it takes no pipe for Ed25519
        said.write_text(f"{head}.{body}")
        signature = openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", self.file, "-in", said)
        self.file.unlink()
        return f"{head}.{body}.{part(signature)}"


def account(name, operator, own):
    limits = {what: -1 for what in ("subs", "data", "payload", "imports", "exports", "conn", "leaf")}
    if name != "SYS":
        limits |= {what: -1 for what in ("mem_storage", "disk_storage", "streams", "consumer")}
    return operator.sign({"sub": own.public, "name": name, "nats": {
        "limits": limits | {"wildcards": True}, "default_permissions": {"pub": {}, "sub": {}},
        "type": "account", "version": 2}})


def user(name, of, own):
    return of.sign({"sub": own.public, "name": name, "nats": {
        "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2}})


def credentials(name, jwt, seed):
    (folder / name).write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n")


authority("ca")
authority("other-ca")
certificate("server", "ca", "IP:127.0.0.1,DNS:localhost", "serverAuth")
certificate("elsewhere", "ca", "DNS:other.example", "serverAuth")
certificate("expired", "ca", "IP:127.0.0.1,DNS:localhost", "serverAuth", days="-1")
certificate("client", "ca", "DNS:client", "clientAuth")
openssl("pkey", "-in", "client.key", "-aes128", "-passout", "pass:hush-hush", "-out", "locked.key")
certificate("stranger", "other-ca", "DNS:client", "clientAuth")
if sys.argv[2:] == ["certificates"]:
    sys.exit()

operator, system, tenant, engine = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
(folder / "operator.conf").write_text(
    f"operator: {operator.sign({'sub': operator.public, 'name': 'test', 'nats': {'type': 'operator', 'version': 2}})}\n"
    f"system_account: {system.public}\nresolver: MEMORY\nresolver_preload: {{\n"
    f"  {system.public}: {account('SYS', operator, system)}\n"
    f"  {tenant.public}: {account('bitbrat', operator, tenant)}\n}}\n")
engine_jwt = user("state-engine", tenant, engine)
credentials("user.creds", engine_jwt, engine.seed)
other_account, other_user = Key(ACCOUNT), Key(USER)
credentials("stranger.creds", user("stranger", other_account, other_user), other_user.seed)
credentials("ousted.creds", engine_jwt, other_user.seed)
