"""Fetches all with poplib: port, kind of TLS, user, password, folder."""

import poplib
import ssl
import sys

port, tls, user, password, folder = sys.argv[1:]
context = ssl._create_unverified_context()
# Its default is 2048 octets; lines of mail have no limit.
poplib._MAXLINE = 1 << 24
if tls == "Implicit":
    server = poplib.POP3_SSL("127.0.0.1", int(port), timeout=60, context=context)
else:
    server = poplib.POP3("127.0.0.1", int(port), timeout=60)
if tls == "Upgrade":
    server.stls(context)
server.user(user)
server.pass_(password)
count, octets = server.stat()
total = 0
for number in range(1, count + 1):
    _, lines, _ = server.retr(number)
    message = b"".join(line + b"\r\n" for line in lines)
    total += len(message)
    with open("%s/%06d" % (folder, number), "wb") as file:
        file.write(message)
assert total == octets, "STAT says %d octets, RETR gave %d" % (octets, total)
server.quit()
