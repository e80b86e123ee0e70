import HTTPWire
import Testing

/// Decodes `body` in pieces of `input` bytes with room for `output` bytes at a time.
private func inflate(
    _ body: [UInt8], _ coding: ContentCoding = .gzip, limit: Int = 1 << 30, ratio: Int = 1100,
    input: Int = .max, output: Int = 65_536
) throws(InflateError) -> [UInt8] {
    let inflater = Inflater(coding, limit: limit, ratio: ratio)
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: output, alignment: 1)
    defer { room.deallocate() }
    var decoded: [UInt8] = []
    var position = 0
    while position < body.count {
        let end = position + min(input, body.count - position)
        let piece = Array(body[position..<end])
        var taken = 0
        var produced = 0
        repeat {
            do {
                let result = try piece.withUnsafeBytes {
                    try inflater.inflate(UnsafeRawBufferPointer(rebasing: $0[taken...]), into: room)
                }
                taken += result.taken
                produced = result.produced
            } catch {
                throw error as? InflateError ?? .tooLarge(limit: -1)
            }
            decoded.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<produced]))
        } while produced == room.count
        #expect(taken == piece.count, "room was left, so all must be taken")
        position = end
    }
    try inflater.finish()
    return decoded
}

/// What decoding makes of `body`, or why not.
private func outcome(
    _ body: [UInt8], _ coding: ContentCoding = .gzip, limit: Int = 1 << 30, ratio: Int = 1100,
    input: Int = .max
) -> Result<[UInt8], InflateError> {
    Result { () throws(InflateError) in
        try inflate(body, coding, limit: limit, ratio: ratio, input: input)
    }
}

@Suite struct InflaterTests {
    private static let text = Array("hello hello hello\n".utf8)
    /// `gzip -9n`, and `gzip.compress(…, mtime=0)` of Python.
    private static let gzip = hex("1f8b0800000000000203cb48cdc9c957c840905c003b7c8adf12000000")
    /// `zlib.compress` of Python.
    private static let zlib = hex("789ccb48cdc9c957c840905c0040b50687")

    private static func hex(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.count, by: 2).map { offset in
            let start = text.index(text.startIndex, offsetBy: offset)
            return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16) ?? 0
        }
    }

    @Test func `what other programs coded is decoded`() throws {
        #expect(try inflate(Self.gzip) == Self.text)
        #expect(try inflate(Self.zlib, .deflate) == Self.text)
        #expect(try inflate(Zlib.coded([], level: 9)) == [])
        let stored = Zlib.coded(Zlib.noise(200_000), level: 0)
        #expect(try inflate(stored) == Zlib.noise(200_000))
    }

    @Test(arguments: [1, 2, 3, 7, 64, 1000, .max]) func `pieces of any size are the same body`(
        _ input: Int
    ) throws {
        let content = Self.text + Zlib.noise(3000) + [UInt8](repeating: 0, count: 100_000)
        for output in [1, 5, 4096, 65_536] {
            let gzip = Zlib.coded(content, headerChecksum: true)
            #expect(try inflate(gzip, input: input, output: output) == content)
            let deflate = Zlib.coded(content, Zlib.zlib)
            #expect(try inflate(deflate, .deflate, input: input, output: output) == content)
        }
    }

    @Test(arguments: [1, 2, 5, .max]) func `the members of a gzip body follow each other`(
        _ input: Int
    ) throws {
        let parts: [[UInt8]] = [Self.text, [], Zlib.noise(500), [], [0]]
        let body = parts.enumerated().flatMap { index, part in
            Zlib.coded(part, headerChecksum: index.isMultiple(of: 2))
        }
        #expect(try inflate(body, input: input) == parts.flatMap { $0 })
        // A deflate body is one.
        let twice = Self.zlib + Self.zlib
        #expect(
            outcome(twice, .deflate, input: input)
                == .failure(.trailingBytes(offset: Self.zlib.count)))
    }

    @Test func `a body that ends early is refused, except between two members`() {
        let first = Zlib.coded(Self.text, headerChecksum: true)
        let body = first + Zlib.coded(Zlib.noise(300))
        for cut in 0..<body.count {
            let expected: Result<[UInt8], InflateError> =
                cut == first.count ? .success(Self.text) : .failure(.truncated(received: cut))
            #expect(outcome(Array(body[..<cut])) == expected, "\(cut)")
        }
        for cut in Self.zlib.indices {
            let body = Array(Self.zlib[..<cut])
            #expect(outcome(body, .deflate) == .failure(.truncated(received: cut)))
        }
    }

    /// What is not covered by a checksum — the time, the name — says nothing of the content.
    @Test func `a flipped bit is found or changes nothing`() {
        let content = Zlib.noise(40) + Self.text
        for (coding, body) in [
            (ContentCoding.gzip, Zlib.coded(content)),
            (.gzip, Zlib.coded(content, headerChecksum: true)),
            (.gzip, Zlib.coded(content) + Zlib.coded(content)),
            (.deflate, Zlib.coded(content, Zlib.zlib)),
        ] {
            var found = 0
            for index in body.indices {
                for bit in 0..<8 {
                    var flipped = body
                    flipped[index] ^= 1 << bit
                    switch outcome(flipped, coding) {
                    case .success(let decoded):
                        #expect(decoded == (try? inflate(body, coding)), "\(index) \(bit)")
                    case .failure: found += 1
                    }
                }
            }
            #expect(found > body.count * 8 * 7 / 10)
        }
    }

    @Test(arguments: [1, .max]) func `nothing may follow the last member`(_ input: Int) {
        for tail: [UInt8] in [
            [0], [10], [0, 0, 0, 0], Self.text, [0x1F, 0], [0x1F, 0x1F, 0x8B], Self.zlib,
        ] {
            let body = Self.gzip + tail
            let expected = InflateError.trailingBytes(offset: Self.gzip.count)
            #expect(outcome(body, input: input) == .failure(expected), "\(tail)")
            let deflate = outcome(Self.zlib + tail, .deflate, input: input)
            #expect(deflate == .failure(.trailingBytes(offset: Self.zlib.count)), "\(tail)")
        }
        let begun = outcome(Self.gzip + [0x1F, 0x8B, 8], input: input)
        #expect(begun == .failure(.truncated(received: Self.gzip.count + 3)))
    }

    @Test func `another format is told from damage`() {
        for body in [Self.text, Self.zlib, Zlib.coded(Self.text, Zlib.raw), [0x1F, 0x8C, 8]] {
            #expect(outcome(body) == .failure(.notCoded(.gzip)))
        }
        // The bare stream of RFC 1951, which some send as deflate, has no checksum.
        for body in [Self.text, Self.gzip, Zlib.coded(Self.text, Zlib.raw)] {
            #expect(outcome(body, .deflate) == .failure(.notCoded(.deflate)))
        }
        let withDictionary = Zlib.coded(Self.text, Zlib.zlib, dictionary: Self.text)
        #expect(outcome(withDictionary, .deflate) == .failure(.needsDictionary))
    }

    @Test func `checksums and lengths are compared`() throws {
        var body = Zlib.coded(Self.text, headerChecksum: true)
        // Ten bytes of header, the name and its zero, then the header's checksum.
        body[18] ^= 1
        #expect(reason(outcome(body)) == "header crc mismatch")
        body = Self.gzip
        body[body.count - 8] ^= 1
        #expect(reason(outcome(body)) == "incorrect data check")
        body = Self.gzip
        body[body.count - 1] ^= 1
        #expect(reason(outcome(body)) == "incorrect length check")
        body = Self.zlib
        body[body.count - 1] ^= 1
        #expect(reason(outcome(body, .deflate)) == "incorrect data check")
    }

    private func reason(_ outcome: Result<[UInt8], InflateError>) -> String? {
        guard case .failure(.damaged(let reason, _)) = outcome else { return nil }
        return reason
    }
}

@Suite struct InflaterBoundTests {
    /// A comparison whose failure does not print megabytes.
    private func decodes(
        _ body: [UInt8], to content: [UInt8], limit: Int = 1 << 30, ratio: Int = 1100
    ) -> Bool {
        outcome(body, limit: limit, ratio: ratio) == .success(content)
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 300_000])
    func `a body of the limit passes and one byte more does not`(_ count: Int) {
        for content in [Zlib.noise(count), [UInt8](repeating: 7, count: count)] {
            let body = Zlib.coded(content)
            #expect(decodes(body, to: content, limit: count))
            #expect(decodes(body, to: content, limit: count + 1))
            guard count > 0 else { continue }
            #expect(outcome(body, limit: count - 1) == .failure(.tooLarge(limit: count - 1)))
        }
    }

    @Test func `bytes that decode to nothing are bounded too`() {
        let nothing = Zlib.coded([])
        let bound = Inflater.codedLimit(1000)
        let fitting = bound / nothing.count
        func body(_ members: Int) -> [UInt8] {
            [[UInt8]](repeating: nothing, count: members).flatMap { $0 }
        }
        #expect(outcome(body(fitting), limit: 1000) == .success([]))
        #expect(outcome(body(fitting + 1), limit: 1000) == .failure(.tooLarge(limit: 1000)))
    }

    @Test func `a ratio is only asked for beyond the first bytes`() {
        let free = Inflater.freeBytes
        let zeros = [UInt8](repeating: 0, count: free)
        #expect(decodes(Zlib.coded(zeros), to: zeros, ratio: 1))
        let content = [UInt8](repeating: 0, count: 4 * free)
        let bomb = Zlib.coded(content)
        #expect(outcome(bomb, ratio: 100) == .failure(.ratioTooHigh(limit: 100)))
        // Of zlib's best, 1 to 1,030, three quarters are beyond the free bytes.
        let needed = (3 * free + bomb.count - 1) / bomb.count
        #expect(decodes(bomb, to: content, ratio: needed + 1))
        #expect(outcome(bomb, ratio: needed - 1) == .failure(.ratioTooHigh(limit: needed - 1)))
        // Content that hardly gets smaller is bounded by its size alone.
        let noise = Zlib.noise(2 * free)
        #expect(decodes(Zlib.coded(noise), to: noise, ratio: 1))
    }

    @Test func `a bomb is refused by its first bytes`() {
        let bomb = Zlib.coded([UInt8](repeating: 0, count: 64 << 20))
        let inflater = Inflater(.gzip, limit: 1 << 40, ratio: 100)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 1)
        defer { room.deallocate() }
        var taken = 0
        #expect(throws: InflateError.ratioTooHigh(limit: 100)) {
            while taken < bomb.count {
                let rest = Array(bomb[taken...])
                taken += try rest.withUnsafeBytes { try inflater.inflate($0, into: room).taken }
            }
        }
        #expect(taken < 6000)
    }
}
