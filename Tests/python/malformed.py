"""Generates requests that are wrong in one or a few places, and says what h11 and llhttp make of
them (httptools is llhttp, the parser of Node)."""

import random

import h11
import httptools

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
TOKENS = [b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff", b":",
          b",", b";", b'"', b"\\", b"0", b"1", b"-", b"+", b"x", b"chunked", b"\r\n ", b"\r\n\t",
          b"\r\n\r\n", b"\n\n", b"\r\r\n"]
METHODS = [b"get", b"G", b"GE T", b"G\0T", b"G(T", b"GET:", b"", b"\xc3\xa9", b"GET\t", b" GET",
           b"PRI", b"{}", b"GET/", b"A" * 40]
TARGETS = [b"", b"x", b"*", b"//", b"/a b", b"/\x01", b"/\x80", b"/\x7f", b"/#a", b"/?a#b", b"h:80",
           b"http://h", b"http://", b"http://h:x/", b"ftp://h/", b"http://u@h/", b"/" + b"a" * 9000,
           b"/%", b"/%00", b"\\", b"/a\tb", b'/"', b"/<>", b"/{}", b"/^`|"]
VERSIONS = [b"", b"HTTP", b"HTTP/", b"HTTP/1", b"HTTP/1.", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/1.2",
            b"HTTP/2.0", b"HTTP/0.9", b"HTTP/9.9", b"http/1.1", b"HTTP /1.1", b"HTTP/ 1.1",
            b"HTTP/1,1", b"HTTP/1.1 ", b"HTTP/1.1\t", b"HTTP/1.1 x", b"HTTP/+1.1", b"HTTP/1.\xb9",
            b"HTPP/1.1", b"HTTP/1.1\0", b"ICE/1.0", b"HTTP/1.0"]
NAMES = [b"", b" ", b"X ", b" X", b"X\t", b"X Y", b"X\0", b"X\x7f", b"X\x80", b"X[]", b"X(", b'X"',
         b"X/", b"X\r", b"X\n", b"\x0bX", b"X:", b"X\\", b"X@", b"X" * 9000]
VALUES = [b"", b"a\0", b"a\rb", b"a\nb", b"a\x01", b"a\x0b", b"a\x7f", b"a\x80\xff", b" a", b"a ",
          b"\ta\t", b"a\r\n b", b"a\r\n\tb", b"a\n b", b"a\r b", b"a" * 9000,
          b"a\r\n\r\n" + SMUGGLED]
LENGTHS = [b"", b"-1", b"+5", b"5 ", b" 5", b"5\t", b"5,5", b"5, 5", b"5,6", b"0x5", b"5.0", b"5e0",
           b"05", b"00000000000000000000005", b"5 5", b"\x0b5", b"5\x0b", b"'5'", b"5;",
           b"\xd9\xa5", b"99999999999999999999", b"18446744073709551621", b"5\0", b"5\r", b"0",
           b"4", b"6", b"1000"]
CODINGS = [b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"chunked,", b",chunked", b"identity",
           b"chunked, identity", b"identity, chunked", b"gzip", b"gzip, chunked", b"chunked, gzip",
           b"chunked, chunked", b"xchunked", b"chunkedx", b"chunk", b"chunked;a=b", b'"chunked"',
           b"chunked\0", b"\x0bchunked", b"chunked\x0b", b"chun ked", b"", b"\xa0chunked",
           b"chunked\r\n chunked", b"chunked\tx"]
CODING_NAMES = [b"Transfer-Encoding", b"transfer-encoding", b"Transfer_Encoding",
                b"Transfer-Encoding ", b" Transfer-Encoding", b"Transfer-Encoding\t",
                b"Transfer\0Encoding", b"X-Transfer-Encoding", b"Transfer-Encodin\xe7"]
COLONS = [b":", b" :", b"\t:", b"", b"::", b": :", b" ", b"=", b":\0", b":\r\n ", b":\n"]
ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\n\n", b"\0\r\n", b" \r\n", b"\r \n", b"",
        b"\x0b\r\n", b"\x85\r\n", b"\r\n\r\n"]
SIZES = [b"", b"-5", b"+5", b"0x5", b" 5", b"5 ", b"5\t", b"05", b"0000000000000000000005", b"g",
         b"5;", b"5;a", b"5;a=b", b"5;a=\"b\"", b"5 ;a", b"5;\0", b"5;\n", b"5;a\rb",
         b"5;" + b"a" * 300,
         b"ffffffffffffffff", b"10000000000000005", b"80000000", b"5.", b"5,5", b"5\x0b", b"\xb2",
         b"4", b"6", b"5;a\n0", b"1e", b"A", b"5h"]
TRAILERS = [b"X: y\r\n", b"X : y\r\n", b"X\r\n", b": y\r\n", b"X: y\n", b"X: y\r\n z\r\n",
            b"X: \0\r\n",
            b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n",
            b"X: " + b"y" * 9000 + b"\r\n", SMUGGLED[:-2], b" X: y\r\n", b"X: y\rz\r\n"]
LEADS = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\0", b"\xef\xbb\xbf", b"\n\r\n", b"\t\r\n"]


class Form:
    """A request in parts, each of which can be put wrong."""

    def __init__(self, random):
        self.random = random
        self.lead = b""
        self.method = random.choice([b"GET", b"POST", b"POST", b"PUT"])
        self.target, self.version = b"/", b"HTTP/1.1"
        self.spaces, self.end, self.last = [b" ", b" "], b"\r\n", b"\r\n"
        self.fields = [[b"Host", b":", b" ", b"polyak.test", b"\r\n"],
                       [b"X-Test", b":", b" ", b"some value", b"\r\n"]]
        self.body = b""
        self.chunks, self.trailers = None, b""
        kind = random.choice(["none", "length", "chunked", "chunked", "length"])
        if kind == "length":
            self.body = random.choice([b"hello", SMUGGLED, b"0\r\n\r\n"])
            self.add(b"Content-Length", str(len(self.body)).encode())
        elif kind == "chunked":
            self.add(b"Transfer-Encoding", b"chunked")
            self.chunks = [[b"5", b"\r\n", b"hello", b"\r\n"] for _ in range(random.randint(1, 3))]
            self.chunks.append([b"0", b"\r\n", b"", b""])
            if random.random() < 0.2:
                self.trailers = b"X-Trailer: y\r\n"

    def add(self, name, value, first=False):
        field = [name, b":", b" ", value, b"\r\n"]
        self.fields.insert(0 if first else len(self.fields), field)

    def __bytes__(self):
        line = self.method + self.spaces[0] + self.target + self.spaces[1] + self.version
        head = self.lead + line + self.end + b"".join(map(b"".join, self.fields)) + self.last
        if self.chunks is None:
            return head + self.body
        return head + b"".join(map(b"".join, self.chunks)) + self.trailers + b"\r\n"

    # Ways to put it wrong

    def wrong_line(self):
        part = self.random.choice(["lead", "method", "target", "version", "space", "end", "last"])
        choose = self.random.choice
        if part == "space":
            self.spaces[choose([0, 1])] = choose([b"", b"  ", b"\t", b"\0", b"\x0b", b"\r\n",
                                                  b"\xa0"])
        else:
            values = {"lead": LEADS, "method": METHODS, "target": TARGETS, "version": VERSIONS,
                      "end": ENDS, "last": ENDS}[part]
            setattr(self, part, choose(values))

    def wrong_field(self):
        field = self.random.choice(self.fields)
        part = self.random.randrange(5)
        field[part] = self.random.choice([NAMES, COLONS, TOKENS, VALUES, ENDS][part])

    def wrong_host(self):
        choose, host = self.random.choice, self.fields[0]
        what = choose(["none", "twice", "value"])
        if what == "none":
            host[:] = [b"X-Host", b":", b"", b"polyak.test", b"\r\n"]
        elif what == "twice":
            self.add(b"hOST", choose([b"polyak.test", b"evil.test"]))
        else:
            host[3] = choose([b"", b"a b", b"a,b", b"a/b", b"u@h", b"[::1", b"a:b", b"a:99999",
                              b"\x80", b"a\0", b"[::1]:80", b"a#b", b"a?b"])

    def wrong_length(self):
        choose = self.random.choice
        lengths = [field for field in self.fields if field[0] == b"Content-Length"]
        if lengths and self.random.random() < 0.5:
            lengths[0][3] = choose(LENGTHS)
        else:
            self.add(choose([b"Content-Length", b"content-length", b"Content-Length ",
                             b"Content_Length", b" Content-Length", b"Content-Length\0"]),
                     choose([str(len(self.body)).encode(), *LENGTHS]), choose([True, False]))

    def wrong_coding(self):
        choose = self.random.choice
        codings = [field for field in self.fields if field[0] == b"Transfer-Encoding"]
        if codings and self.random.random() < 0.6:
            field = codings[0]
            part = choose([0, 1, 3, 3, 3])
            field[part] = choose({0: CODING_NAMES, 1: COLONS, 3: CODINGS}[part])
        else:
            self.add(choose(CODING_NAMES), choose(CODINGS), choose([True, False]))

    def wrong_chunk(self):
        if self.chunks is None:
            return self.wrong_length()
        chunk = self.random.choice(self.chunks)
        part = self.random.randrange(5)
        if part == 4:
            self.trailers = self.random.choice(TRAILERS)
        else:
            content = [b"hell", b"hello!", SMUGGLED]
            chunk[part] = self.random.choice([SIZES, ENDS, content, ENDS][part])

    def wrong_amount(self):
        count = self.random.choice([99, 101, 200])
        self.fields += [[b"X-%d" % n, b":", b" ", b"y" * self.random.choice([1, 400]), b"\r\n"]
                        for n in range(count)]


def generate(count, seed):
    """`count` different requests, each wrong in one to three places, though some come out right;
    and where to cut each in two."""
    chosen, seen = random.Random(seed), set()
    ways = [Form.wrong_line, Form.wrong_field, Form.wrong_host, Form.wrong_length,
            Form.wrong_coding, Form.wrong_coding, Form.wrong_chunk, Form.wrong_chunk]
    while len(seen) < count:
        form = Form(chosen)
        for _ in range(chosen.choice([1, 1, 1, 2, 3])):
            chosen.choice(ways if chosen.random() < 0.99 else [Form.wrong_amount])(form)
        data = bytes(form)
        if chosen.random() < 0.25:
            at = chosen.randrange(len(data) + 1)
            data = data[:at] + chosen.choice(TOKENS) + data[at + chosen.choice([0, 1]):]
        if data not in seen:
            seen.add(data)
            yield data, chosen.choice([0, 0, chosen.randrange(len(data) + 1)])


class Verdict:
    """What a parser makes of bytes: how many whole requests, and how it ended."""

    def __init__(self, requests, end):
        self.requests, self.end = requests, end

    def __repr__(self):
        return f"{self.requests} requests, then {self.end}"


def ask_h11(data):
    requests = 0
    while True:
        # h11 does not ignore the empty line that RFC 9112 section 2.2 lets stand here.
        data = data.removeprefix(b"\r\n")
        if not data:
            return Verdict(requests, "end")
        connection, event = h11.Connection(h11.SERVER), None
        connection.receive_data(data)
        try:
            while not isinstance(event, h11.EndOfMessage):
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    return Verdict(requests, "more")
        except h11.RemoteProtocolError as error:
            return Verdict(requests, f"error: {error}")
        requests += 1
        connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        if connection.our_state is not h11.DONE:
            return Verdict(requests, "close")
        data = connection.trailing_data[0]


class Counter:
    def __init__(self):
        self.begun = self.whole = 0

    def on_message_begin(self):
        self.begun += 1

    def on_message_complete(self):
        self.whole += 1


def ask_llhttp(data):
    counter = Counter()
    parser = httptools.HttpRequestParser(counter)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Verdict(counter.whole, "upgrade")
    except httptools.HttpParserError as error:
        return Verdict(counter.whole, f"error: {error}")
    return Verdict(counter.whole, "more" if counter.begun > counter.whole else "end")
