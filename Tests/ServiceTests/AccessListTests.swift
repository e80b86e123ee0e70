import Testing

@testable import Service

@Suite struct AccessListTests {
    /// SHA-256 of "abc" and of "" (FIPS 180-4, examples of NIST).
    static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    static let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    private func read(_ text: String, maximumCount: Int = 10) throws -> AccessList {
        try AccessList(parsing: text, maximumCount: maximumCount)
    }

    private func identity(_ list: AccessList, _ token: String) -> Identity? {
        list.identity(ofToken: TokenDigest(of: Array(token.utf8)))
    }

    @Test func digestsAreThoseOfNIST() {
        #expect(TokenDigest(of: Array("abc".utf8)).hexadecimal == Self.abc)
        #expect(TokenDigest(of: []).hexadecimal == Self.nothing)
        let upper = TokenDigest(hexadecimal: Self.abc.uppercased())
        #expect(upper?.matches(TokenDigest(of: Array("abc".utf8))) == true)
    }

    @Test func digestsThatDifferInAnyBitDoNotMatch() throws {
        let digits = Array(Self.abc)
        let digest = TokenDigest(of: Array("abc".utf8))
        for index in digits.indices {
            for bit in [1, 2, 4, 8] {
                var other = digits
                let value = try #require(digits[index].hexDigitValue) ^ bit
                other[index] = Character(String(value, radix: 16))
                let changed = try #require(TokenDigest(hexadecimal: String(other)))
                #expect(!changed.matches(digest) && changed != digest)
            }
        }
    }

    @Test func everyFormOfALineIsRead() throws {
        let list = try read(
            """
            # who may
            alice:admin:\(Self.abc)

            b.o_b-1:train:\(Self.nothing.uppercased()):run-
            node7.example.com:read:certificate:x
            b.o_b-1:train:\(String(repeating: "0", count: 64)):run-
            b.o_b-1:train:certificate:run-

            """)
        #expect(list.count == 3)
        #expect(identity(list, "abc") == Identity(name: "alice", role: .admin, sessionPrefix: nil))
        let bob = Identity(name: "b.o_b-1", role: .train, sessionPrefix: "run-")
        #expect(identity(list, "") == bob)
        #expect(list.identity(ofCertificate: ["b.o_b-1"]) == bob)
        #expect(
            list.identity(ofCertificate: ["other", "node7.example.com", "b.o_b-1"])
                == Identity(name: "node7.example.com", role: .read, sessionPrefix: "x"))
        for token in ["ab", "abcd", "ABC", Self.abc] { #expect(identity(list, token) == nil) }
        #expect(list.identity(ofCertificate: ["alice", "Node7.example.com", ""]) == nil)
        #expect(list.identity(ofCertificate: []) == nil)
    }

    static let wrong: [(line: String, error: AccessListError)] = [
        ("alice", .fieldCount(line: 3, count: 1)),
        ("alice:train", .fieldCount(line: 3, count: 2)),
        ("alice:train:\(abc):p:q", .fieldCount(line: 3, count: 5)),
        ("alice:train:\(abc):", .prefix(line: 3)),
        (" ", .fieldCount(line: 3, count: 1)),
        (" # comment", .fieldCount(line: 3, count: 1)),
        (":train:\(abc)", .name(line: 3)),
        (" alice:train:\(abc)", .name(line: 3)),
        (".alice:train:\(abc)", .name(line: 3)),
        ("ali/ce:train:\(abc)", .name(line: 3)),
        ("alicé:train:\(abc)", .name(line: 3)),
        ("\u{FEFF}alice:train:\(abc)", .name(line: 3)),
        (String(repeating: "a", count: 129) + ":train:\(abc)", .name(line: 3)),
        ("alice:Train:\(abc)", .role(line: 3)),
        ("alice::\(abc)", .role(line: 3)),
        ("alice:train :\(abc)", .role(line: 3)),
        ("alice:root:\(abc)", .role(line: 3)),
        ("alice:train:", .digest(line: 3, length: 0)),
        ("alice:train:\(abc.dropLast())", .digest(line: 3, length: 63)),
        ("alice:train:\(abc)0", .digest(line: 3, length: 65)),
        ("alice:train:\(abc) ", .digest(line: 3, length: 65)),
        ("alice:train:\(abc)\r", .digest(line: 3, length: 65)),
        ("alice:train:0x\(abc.dropFirst(2))", .digest(line: 3, length: 64)),
        ("alice:train:\(abc.dropLast())g", .digest(line: 3, length: 64)),
        ("alice:train:Certificate", .digest(line: 3, length: 11)),
        ("alice:train:\(abc):.run", .prefix(line: 3)),
        ("alice:train:\(abc):run/", .prefix(line: 3)),
        ("alice:train:\(abc):run-*", .prefix(line: 3)),
        ("alice:train:\(abc):run ", .prefix(line: 3)),
        ("alice:train:\(abc):" + String(repeating: "r", count: 129), .prefix(line: 3)),
        ("alice:train:\(nothing)", .repeatedToken(line: 3, first: 1)),
        ("first:admin:\(nothing)", .repeatedToken(line: 3, first: 1)),
        ("second:read:certificate", .repeatedCertificate(line: 3, first: 2)),
        ("first:train:\(abc)", .contradiction(line: 3, first: 1)),
        ("first:admin:\(abc):run", .contradiction(line: 3, first: 1)),
        ("second:admin:\(abc)", .contradiction(line: 3, first: 2)),
    ]

    @Test(arguments: wrong)
    func aWrongLineIsRefusedWithItsNumber(line: String, error: AccessListError) {
        let text = "first:admin:\(Self.nothing)\nsecond:read:certificate\n\(line)\n"
        #expect(throws: error) { try read(text) }
        #expect("\(error)".hasPrefix("line 3: "))
        // Whatever stands in the line may be a secret in the wrong place.
        #expect(!"\(error)".contains(Self.abc) && !"\(error)".contains("alice"))
    }

    @Test func aListHasOneLineAtLeastAndNoMoreThanAllowed() throws {
        for text in ["", "\n", "# nobody\n"] {
            #expect(throws: AccessListError.empty) { try read(text) }
        }
        func lines(_ count: Int) -> String {
            (0..<count).map { "n\($0):read:certificate\n# \($0)\n" }.joined()
        }
        for count in [2, 3] { #expect(try read(lines(count), maximumCount: 3).count == count) }
        #expect(throws: AccessListError.tooMany(line: 7, limit: 3)) {
            try read(lines(4), maximumCount: 3)
        }
    }
}
