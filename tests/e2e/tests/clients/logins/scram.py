"""Logs in by SCRAM as RFC 5802 has it: protocol, port, user, password, how.

How: a mechanism, a way to bind the login to the channel, or a word for what a client or somebody
between gets wrong. Prints what the server said at the end; checks that the server proves itself.

Python has no exporter of TLS, so there s_client of OpenSSL has the connection.
"""

import base64
import hashlib
import hmac
import re
import secrets
import socket
import ssl
import subprocess
import sys

protocol, port, user, password, how = sys.argv[1:]
exported = certificate = b""
if how == "tls-exporter":
    export = ["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"]
    command = ["openssl", "s_client", "-connect", "127.0.0.1:" + port, "-nocommands", *export]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    client = subprocess.Popen(command, **pipes)
    output, input = client.stdin, client.stdout
else:
    context = ssl._create_unverified_context()
    raw = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
    connection = context.wrap_socket(raw)
    certificate = connection.getpeercert(binary_form=True)
    output = input = connection.makefile("rwb")


def say(line):
    output.write(line.encode() + b"\r\n")
    output.flush()


def hear():
    """The next line of the server, past what s_client says of the connection."""
    global exported
    for line in input:
        line = line.decode().rstrip("\r\n")
        keys = re.match(r"\s*Keying material: ([0-9A-F]+)$", line)
        if keys:
            exported = bytes.fromhex(keys.group(1))
        if re.match(r"\d{3}[ -]|\+OK|-ERR|\+ ", line):
            return line
    sys.exit("the server has closed")


def challenge():
    line = hear()
    prefix = "334 " if protocol == "smtp" else "+ "
    if not line.startswith(prefix):
        print(line)
        sys.exit()
    return base64.b64decode(line[len(prefix) :]).decode()


def encoded(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


hear()
if protocol == "smtp":
    say("EHLO client.example")
    while not hear().startswith("250 "):
        pass
mechanism, header, bound = "SCRAM-SHA-256", "n,,", b""
if how in ("tls-server-end-point", "other certificate"):
    mechanism, header = "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"
    bound = hashlib.sha256(certificate).digest()
if how == "tls-exporter":
    mechanism, header, bound = "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", exported
if how == "other certificate":
    bound = hashlib.sha256(b"of somebody between").digest()
if how == "downgraded":
    header = "y,,"
nonce = secrets.token_urlsafe(18)
first = "n=%s,r=%s" % (user, nonce)
say("AUTH %s %s" % (mechanism, encoded(header + first)))
server_first = challenge()
fields = dict(field.split("=", 1) for field in server_first.split(","))
assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
salt, iterations = base64.b64decode(fields["s"]), int(fields["i"])
salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
without_proof = "c=%s,r=%s" % (encoded(header.encode() + bound), fields["r"])
message = ",".join([first, server_first, without_proof]).encode()
client_key = mac(salted, b"Client Key")
signature = mac(hashlib.sha256(client_key).digest(), message)
proof = bytes(a ^ b for a, b in zip(client_key, signature))
say(encoded(without_proof + ",p=" + encoded(proof)))
server_final = challenge()
assert server_final == "v=" + encoded(mac(mac(salted, b"Server Key"), message))
say("")
print(hear())
