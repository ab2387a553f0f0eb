"""Puts in place of each file what getmail makes of the message in it."""

import sys

from getmailcore.message import Message

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        lines = file.read().split(b"\r\n")
    with open(path, "wb") as file:
        file.write(Message(fromlines=lines).flatten(False, False))
