"""The login of a MySQL 8 server on loopback, for systems that have no package of one.

It speaks the connection phase as MySQL documents it for ``caching_sha2_password``: the greeting
with a nonce; the scramble, which only a server that remembers the password can check; else the
whole login, by RSA with the key that the client asks for, or in the clear within TLS. It knows the
account's password only by its hash. Queries get one word or nothing.
"""

import contextlib
import os
import re
import socketserver
import ssl
import struct
import threading
from hashlib import sha256
from itertools import cycle

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PLUGIN = b"caching_sha2_password"
_SSL, _PLUGIN_AUTH, _LENENC_AUTH = 1 << 11, 1 << 19, 1 << 21
# Long password and flag, connect with a database, protocol 4.1, transactions, secure connection.
_CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | _PLUGIN_AUTH | _LENENC_AUTH
_UTF8MB4, _AUTOCOMMIT = 255, 2
_OK = b"\0\0\0" + struct.pack("<HH", _AUTOCOMMIT, 0)
_EOF = b"\xfe" + struct.pack("<HH", 0, _AUTOCOMMIT)
_MORE, _REMEMBERED, _WHOLE_LOGIN, _SEND_KEY = b"\x01", b"\x03", b"\x04", b"\x02"
_QUIT, _QUERY = 0x01, 0x03
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # as MySQL does
_WORDS = {"version": "8.4.0", "transaction_isolation": "REPEATABLE-READ", "sql_mode": ""}


def xor(text, mask):
    return bytes(a ^ b for a, b in zip(text, cycle(mask), strict=False))


def stored_hash(password):
    return sha256(sha256(password.encode()).digest()).digest()


class MySQLLogin(socketserver.ThreadingTCPServer):
    """A server with one account; it notes in ``ways`` how clients logged in."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, user, password, certificate=None):
        self.user, self.hash = user, stored_hash(password)
        self.remembered, self.ways = set(), []
        self.key = rsa.generate_private_key(65537, 2048)
        self.public_key = self.key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        self.tls = None
        if certificate is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


class _Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.number, self.secure = 0, False
        self.nonce = bytes(byte % 127 + 1 for byte in os.urandom(20))  # no NUL, which ends it
        self.greet()
        user, scramble = self.read_response()
        if user == self.server.user.encode() and self.has_the_password(scramble):
            self.send(_OK)
            self.answer_queries()
        else:
            words = f"Access denied for user '{user.decode()}'@'localhost' (using password: YES)"
            self.send(b"\xff" + struct.pack("<H", 1045) + b"#28000" + words.encode())

    def send(self, payload):
        header = struct.pack("<I", len(payload))[:3] + bytes([self.number % 256])
        self.request.sendall(header + payload)
        self.number += 1

    def read(self):
        header = self.read_bytes(4)
        self.number = header[3] + 1
        return self.read_bytes(int.from_bytes(header[:3], "little"))

    def read_bytes(self, number):
        content = b""
        while len(content) < number:
            part = self.request.recv(number - len(content))
            if not part:
                raise ConnectionError
            content += part
        return content

    def finish(self):
        self.request.close()

    def greet(self):
        offered = _CAPABILITIES | (_SSL if self.server.tls else 0)
        self.send(
            b"\x0a8.4.0\0"
            + struct.pack("<I8sxHBHHB10x", 1, self.nonce[:8], offered & 0xFFFF, _UTF8MB4,
                          _AUTOCOMMIT, offered >> 16, len(self.nonce) + 1)
            + self.nonce[8:] + b"\0" + PLUGIN + b"\0"
        )  # fmt: skip

    def read_response(self):
        """Read who comes, and the scramble; before that, agree on TLS if the client wants it."""
        packet = self.read()
        if struct.unpack_from("<I", packet)[0] & _SSL:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.secure = True
            packet = self.read()
        user, _, rest = packet[32:].partition(b"\0")
        return user, rest[1 : 1 + rest[0]]

    def has_the_password(self, scramble):
        """Check the scramble, SHA256(password) XOR SHA256(hash + nonce), or log in as a whole."""
        if self.server.user in self.server.remembered:
            once = xor(scramble, sha256(self.server.hash + self.nonce).digest())
            if sha256(once).digest() == self.server.hash:
                self.server.ways.append("remembered")
                self.send(_MORE + _REMEMBERED)
                return True
        self.send(_MORE + _WHOLE_LOGIN)
        password = self.read()
        way = "TLS"
        if not self.secure:
            password, way = self.decrypt(password), "RSA"
        if not password.endswith(b"\0") or stored_hash(password[:-1].decode()) != self.server.hash:
            return False
        self.server.ways.append(way)
        self.server.remembered.add(self.server.user)
        return True

    def decrypt(self, asked):
        assert asked == _SEND_KEY, "a password in the clear"
        self.send(_MORE + self.server.public_key)
        return xor(self.server.key.decrypt(self.read(), _OAEP), self.nonce)

    def answer_queries(self):
        while (packet := self.read())[0] != _QUIT:
            query = packet[1:].decode()
            if packet[0] == _QUERY and re.match("SELECT|SHOW", query):
                name = re.search(r"@@(?:\w+\.)?(\w+)|(\w+)\(", query)
                self.send_word(_WORDS.get((name[1] or name[2]).lower() if name else "", "0"))
            else:
                self.send(_OK)

    def send_word(self, word):
        """Send a result of one row and one column of text."""
        column = b"".join(bytes([len(text)]) + text for text in (b"def", b"", b"", b"", b"w", b"w"))
        tail = struct.pack("<BHIBHB2x", 12, _UTF8MB4, 1024, 253, 0, 0)
        self.send(b"\x01")
        self.send(column + tail)
        self.send(_EOF)
        self.send(b"\xfc" + struct.pack("<H", len(word)) + word.encode())
        self.send(_EOF)


@contextlib.contextmanager
def mysql_login(user, password, certificate=None):
    """Run such a server; give it."""
    with MySQLLogin(user, password, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
