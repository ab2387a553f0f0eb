"""Sends files with smtplib: port, kind of TLS, user or nothing, password, recipient, files."""

import smtplib
import ssl
import sys

port, tls, user, password, recipient, *files = sys.argv[1:]
context = ssl._create_unverified_context()
if tls == "Implicit":
    server = smtplib.SMTP_SSL("127.0.0.1", int(port), "client.example", timeout=60, context=context)
else:
    server = smtplib.SMTP("127.0.0.1", int(port), "client.example", timeout=60)
if tls == "Upgrade":
    server.starttls(context=context)
if user:
    server.login(user, password)
for file in files:
    with open(file, "rb") as message:
        server.sendmail("alice@example.org", [recipient], message.read())
server.quit()
