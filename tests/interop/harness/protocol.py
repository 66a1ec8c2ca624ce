"""PostgreSQL's protocol, as far as scenarios need it: messages to bytes, and a server's messages to text without what is volatile.

Left out of errors: file, line and routine, and the context, but that of COPY. Left out elsewhere: process ids, keys, numbers of tables, the server's minor version.
"""

import socket
import struct

PROTOCOL = 196608
CANCEL = 80877102
# A server that is silent for so long has nothing to say.
SILENCE_SECONDS_MAX = 15
PLAIN = {
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "n": "NoData",
    "s": "PortalSuspended",
    "I": "EmptyQueryResponse",
    "c": "CopyDone",
}
# Fields of an error that are told, beside code and message.
FIELDS = "SVDHPpqstcdn"


class Silence(Exception):
    """The server said nothing more."""


class Closed(Exception):
    """The server closed the connection."""


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def parse(name, sql, oids):
    return message("P", text(name) + text(sql) + struct.pack(f"!h{len(oids)}i", len(oids), *oids))


def bind(portal, statement, formats, values, results):
    body = (
        text(portal)
        + text(statement)
        + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
        + struct.pack("!h", len(values))
    )
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message("B", body + struct.pack(f"!h{len(results)}h", len(results), *results))


class Reader:
    """Reads the fields of a message."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("!" + form, self.data, self.at)
        self.at += struct.calcsize("!" + form)
        return values

    def string(self):
        end = self.data.index(b"\0", self.at)
        value = self.data[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return value

    def bytes(self, count):
        value = self.data[self.at : self.at + count]
        self.at += count
        return value


def described(kind, body):
    """A server's message as text, and its name."""
    name, form = KINDS.get(kind, (f"message {kind}", lambda r: r.data.hex()))
    return name, f"{name} {form(Reader(body))}".rstrip()


def _failure(reader):
    fields = {}
    while (kind := reader.take("c")[0]) != b"\0":
        fields[kind.decode()] = reader.string()
    more = ", ".join(f"{k}={fields[k]}" for k in FIELDS if k in fields)
    if fields.get("W", "").startswith("COPY"):
        more += f", W={fields['W']}"
    return f"error {fields.get('C')}: {fields.get('M')} ({more})"


def _columns(reader):
    columns = []
    for _ in range(reader.take("h")[0]):
        name = reader.string()
        table, number, oid, size, modifier, form = reader.take("ihihih")
        columns.append(f"{name} {'table ' if table else ''}{number} type {oid} {size} {modifier} format {form}")
    return "[" + ", ".join(columns) + "]"


def _row(reader):
    values = []
    for _ in range(reader.take("h")[0]):
        size = reader.take("i")[0]
        values.append("NULL" if size < 0 else printable(reader.bytes(size)))
    return "[" + ", ".join(values) + "]"


def _copy(reader):
    form, count = reader.take("bh")
    return f"{form} {list(reader.take(f'{count}h'))}"


def _parameter(reader):
    name, value = reader.string(), reader.string()
    return f"{name}={value.split('.')[0] if name == 'server_version' else value}"


def printable(data):
    """Text as it is, other bytes in hexadecimal."""
    try:
        shown = data.decode("ascii")
    except UnicodeDecodeError:
        return f"x{data.hex()}"
    return (
        shown
        if shown.isprintable()
        else f"x{data.hex()}" if "\0" in shown else shown.replace("\n", "\\n").replace("\t", "\\t")
    )


def _oids(reader):
    count = reader.take("h")[0]
    return str(list(reader.take(f"{count}i")))


KINDS = {kind: (name, lambda reader: "") for kind, name in PLAIN.items()} | {
    "R": ("Authentication", lambda r: str(r.take("i")[0])),
    "K": ("BackendKeyData", lambda r: ""),
    "S": ("ParameterStatus", _parameter),
    "Z": ("ReadyForQuery", lambda r: r.bytes(1).decode()),
    "C": ("CommandComplete", lambda r: r.string()),
    "T": ("RowDescription", _columns),
    "D": ("DataRow", _row),
    "t": ("ParameterDescription", _oids),
    "E": ("ErrorResponse", _failure),
    "N": ("NoticeResponse", lambda r: _failure(r).replace("error", "notice", 1)),
    "G": ("CopyInResponse", _copy),
    "H": ("CopyOutResponse", _copy),
    "d": ("CopyData", lambda r: printable(r.data)),
    "v": ("NegotiateProtocolVersion", lambda r: r.data.hex()),
}


class Connection:
    """A connection on which bytes are sent as they are. The startup's messages are kept."""

    def __init__(self, port, parameters=()):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.key = None
        pairs = {"user": "root", "database": "quorate"} | dict(parameters)
        body = struct.pack("!i", PROTOCOL) + b"".join(text(k) + text(v) for k, v in pairs.items()) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.startup = []
        while not self.startup or not self.startup[-1].startswith(("ReadyForQuery", "ErrorResponse")):
            self.startup.append(self.read()[1])

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # The server has closed: reading tells so, after what it said before.

    def read(self):
        """Name and text of the next message."""
        kind = self._take(1).decode()
        size = struct.unpack("!i", self._take(4))[0]
        body = self._take(size - 4)
        if kind == "K":
            self.key = body
        return described(kind, body)

    def _take(self, count):
        while len(self.buffer) < count:
            try:
                more = self.socket.recv(65536)
            except TimeoutError as silent:
                raise Silence from silent
            except OSError as broken:
                raise Closed from broken
            if not more:
                raise Closed
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def has_answer(self, seconds):
        """Whether something comes within this time."""
        if self.buffer:
            return True
        self.socket.settimeout(seconds)
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(SILENCE_SECONDS_MAX)

    def cancel(self):
        """Asks on another connection that this one's statement ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SILENCE_SECONDS_MAX) as other:
            other.sendall(struct.pack("!ii", 16, CANCEL) + self.key)
            other.recv(1)

    def close(self):
        self.send(message("X"))
        self.socket.close()
