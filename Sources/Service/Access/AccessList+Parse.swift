import Sessions

/// Why a text is no list of identities. Says where, and never what stands there: it may be a
/// token that somebody wrote in the wrong place.
public enum AccessListError: Error, Equatable {
    case fieldCount(line: Int, count: Int)
    case name(line: Int)
    case role(line: Int)
    case digest(line: Int, length: Int)
    case prefix(line: Int)
    case repeatedToken(line: Int, first: Int)
    case repeatedCertificate(line: Int, first: Int)
    /// The name has another role or prefix in an earlier line.
    case contradiction(line: Int, first: Int)
    case tooMany(line: Int, limit: Int)
    case empty
}

extension AccessList {
    /// Reads one identity a line: `name:role:digest`, with `:session-prefix` behind it for one that
    /// sees some sessions only. `digest` is the SHA-256 of a token in hexadecimal, or the word
    /// `certificate` for a client certificate of that name. Empty lines and those that begin with
    /// `#` are skipped.
    ///
    /// A name may come again with the same role and prefix, so that an identity can have two
    /// tokens while one takes the place of the other.
    ///
    /// - Parameter maximumCount: the most lines with identities.
    public init(parsing text: String, maximumCount: Int) throws(AccessListError) {
        var reader = AccessListReader(maximumCount: maximumCount)
        // By bytes: as a Character, a line feed after a carriage return is none.
        let lines = text.utf8.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() { try reader.read(line, number: index + 1) }
        guard !reader.lines.isEmpty else { throw .empty }
        self = reader.list
    }
}

/// Collects the lines of an access list and remembers which said what.
private struct AccessListReader {
    let maximumCount: Int
    private(set) var list = AccessList()
    /// The number of the first line of each identity, with what it said.
    private(set) var lines: [String: (number: Int, identity: Identity)] = [:]
    private var tokens: [TokenDigest: Int] = [:]
    private var certificates: [String: Int] = [:]

    init(maximumCount: Int) {
        self.maximumCount = maximumCount
    }

    mutating func read(_ line: Substring.UTF8View, number: Int) throws(AccessListError) {
        guard let first = line.first, first != UInt8(ascii: "#") else { return }
        let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        guard (3...4).contains(fields.count) else {
            throw .fieldCount(line: number, count: fields.count)
        }
        let name = fields[0]
        guard ResourceName.isValid(name) else { throw .name(line: number) }
        guard let role = Role(rawValue: fields[1]) else { throw .role(line: number) }
        let prefix = fields.count == 4 ? fields[3] : nil
        guard prefix.map(ResourceName.isValid) ?? true else { throw .prefix(line: number) }
        guard tokens.count + certificates.count < maximumCount else {
            throw .tooMany(line: number, limit: maximumCount)
        }
        let identity = Identity(name: name, role: role, sessionPrefix: prefix)
        if let known = lines[name], known.identity != identity {
            throw .contradiction(line: number, first: known.number)
        }
        if fields[2] == "certificate" {
            if let first = certificates[name] {
                throw .repeatedCertificate(line: number, first: first)
            }
            certificates[name] = number
            list.add(certificate: name, identity)
        } else {
            guard let digest = TokenDigest(hexadecimal: fields[2]) else {
                throw .digest(line: number, length: fields[2].utf8.count)
            }
            if let first = tokens[digest] { throw .repeatedToken(line: number, first: first) }
            tokens[digest] = number
            list.add(digest, identity)
        }
        if lines[name] == nil { lines[name] = (number, identity) }
    }
}

extension AccessListError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .fieldCount(let line, let count):
            "line \(line): has \(count) \(count == 1 ? "field" : "fields") between colons; "
                + "allowed: name:role:sha256-of-the-token, and :session-prefix behind it"
        case .name(let line):
            "line \(line): the name is not \(ResourceName.allowed)"
        case .role(let line):
            "line \(line): the role is none of "
                + Role.allCases.map(\.rawValue).joined(separator: ", ")
        case .digest(let line, let length):
            "line \(line): the third field has \(length) characters and is not a SHA-256 of 64 "
                + "hexadecimal digits, nor the word certificate; `polyak token` makes whole lines"
        case .prefix(let line):
            "line \(line): the session prefix is not \(ResourceName.allowed); for all sessions, "
                + "leave out the colon before it too"
        case .repeatedToken(let line, let first): "line \(line): has the token of line \(first)"
        case .repeatedCertificate(let line, let first):
            "line \(line): has the certificate of line \(first)"
        case .contradiction(let line, let first):
            "line \(line): has the name of line \(first), but another role or session prefix"
        case .tooMany(let line, let limit):
            "line \(line): is one more than the setting identities allows, \(limit)"
        case .empty: "has no identity, so nobody could use the service"
        }
    }
}
