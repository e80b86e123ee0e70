/// Everyone who may use the service, and how they show who they are. A value that never changes.
public struct AccessList: Sendable {
    private var tokens: [(digest: TokenDigest, identity: Identity)] = []
    private var certificates: [String: Identity] = [:]

    /// How many identities there are.
    public var count: Int {
        Set(tokens.map(\.identity.name)).union(certificates.values.map(\.name)).count
    }

    mutating func add(_ digest: TokenDigest, _ identity: Identity) {
        tokens.append((digest, identity))
    }

    mutating func add(certificate name: String, _ identity: Identity) {
        certificates[name] = identity
    }

    /// Whose token has this digest. Looks at every token, found or not, so that the time says
    /// nothing about the tokens there are.
    func identity(ofToken digest: TokenDigest) -> Identity? {
        var found: Int?
        for index in tokens.indices where tokens[index].digest.matches(digest) { found = index }
        return found.map { tokens[$0].identity }
    }

    /// Whose certificate has one of these names; the first of them that is known counts.
    func identity(ofCertificate names: [String]) -> Identity? {
        for name in names {
            if let identity = certificates[name] { return identity }
        }
        return nil
    }
}
