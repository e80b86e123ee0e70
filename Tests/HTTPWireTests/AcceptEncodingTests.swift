import HTTPWire
import Testing

@Suite struct AcceptEncodingTests {
    /// RFC 9110 section 12.5.3: its examples, and each of its rules.
    @Test(
        arguments: [
            // The examples.
            ("compress, gzip", .gzip), ("", nil), ("*", .gzip),
            ("compress;q=0.5, gzip;q=1.0", .gzip), ("gzip;q=1.0, identity; q=0.5, *;q=0", .gzip),
            // Without the field every coding is acceptable, and nothing is coded unasked.
            (nil, nil),
            ("gzip", .gzip), ("x-gzip", .gzip), ("GZIP", .gzip), ("deflate", .deflate),
            ("deflate, gzip", .gzip), ("gzip, deflate, br, zstd", .gzip),
            ("br", nil), ("identity", nil), ("gzip;q=0", nil), ("gzip;q=0.000", nil),
            ("gzip;q=0, deflate", .deflate), ("gzip;q=0.5, deflate;q=0.6", .deflate),
            ("gzip;q=0.001", .gzip), ("gzip;q=0.5, identity", nil), ("gzip, identity", .gzip),
            ("gzip;q=0.5, identity;q=0.5", .gzip), ("identity;q=0.6, *;q=0.5", nil),
            ("gzip;q=0, *", .deflate), ("gzip;q=0, deflate;q=0, *", nil), ("*;q=0", nil),
            ("*;q=0, gzip", .gzip), ("identity;q=0", nil), ("identity;q=0, br", nil),
            ("identity;q=0, gzip", .gzip), (",, gzip ,", .gzip), ("gzip ; q=1 , deflate", .gzip),
            ("gzip;q=0.2, gzip;q=0", .gzip),
        ] as [(String?, ContentCoding?)])
    func `text is coded as the client likes`(_ field: String?, _ coding: ContentCoding?) {
        #expect(AcceptEncoding(field).preferred == coding)
    }

    @Test(
        arguments: [
            (nil, nil), ("", nil), ("gzip", nil), ("gzip;q=1", nil), ("*", nil),
            ("gzip, identity;q=0", .gzip), ("gzip, *;q=0", .gzip), ("*;q=0, x-gzip", .gzip),
            ("identity;q=0, *", .gzip), ("identity;q=0, deflate", .deflate),
            ("deflate;q=0.2, gzip;q=0.1, *;q=0", .deflate),
            ("gzip, *;q=0, identity;q=0.1", nil), ("identity;q=0.001, gzip", nil),
            // Nothing that there is would do: plain, rather than 406.
            ("identity;q=0", nil), ("*;q=0", nil), ("br, identity;q=0", nil),
            ("gzip;q=0, identity;q=0", nil),
        ] as [(String?, ContentCoding?)])
    func `a model is coded only for who refuses it plain`(
        _ field: String?, _ coding: ContentCoding?
    ) {
        #expect(AcceptEncoding(field).required == coding)
        #expect(AcceptEncoding.required(by: field) == coding)
    }

    @Test(arguments: [
        "gzip;q=2", "gzip;q=", "gzip;q=.5", "gzip;q=0.1234", "gzip;q", "gzip;x=1", "gzip deflate",
        "gzip@", "=", "gzip;", "gzip;q=0.5;x=1",
    ]) func `a malformed field codes nothing`(_ field: String) {
        #expect(AcceptEncoding(field).preferred == nil)
        #expect(AcceptEncoding(field).required == nil)
    }

    @Test(
        arguments: [
            (nil, nil), ("", nil), ("identity", nil), ("gzip", .gzip), ("X-GZip", .gzip),
            ("deflate", .deflate), (" , gzip,", .gzip), ("identity, gzip", .gzip),
        ] as [(String?, ContentCoding?)])
    func `a body's coding is read`(_ field: String?, _ coding: ContentCoding?) throws {
        #expect(try ContentCoding.ofBody(field) == coding)
    }

    @Test(
        arguments: [
            ("br", .unknown), ("compress", .unknown), ("gzip;q=1", .unknown), ("*", .unknown),
            ("gzip gzip", .unknown), ("gzip, gzip", .several), ("deflate, x-gzip", .several),
            ("gzip, br", .unknown),
        ] as [(String, UnsupportedCoding)])
    func `a coding that is not read is refused`(_ field: String, _ error: UnsupportedCoding) {
        #expect(throws: error) { try ContentCoding.ofBody(field) }
    }
}
