import HTTPWire
import Synchronization

/// Finds out who sends a request, by a list that may be replaced while requests are served.
public final class AccessControl: Sendable {
    /// Held for as long as it takes to count one more reference to the list.
    private let list: Mutex<AccessList>

    public init(_ list: AccessList) {
        self.list = Mutex(list)
    }

    /// Requests that come from now on are looked up in `list`; those in progress go on.
    public func replace(by list: AccessList) {
        self.list.withLock { $0 = list }
    }

    /// Who sends the request: whose token it has, or without one, whose certificate.
    ///
    /// A token that is given has to be right, whatever the certificate says: who sends one relies
    /// on it. A missing, malformed, unknown and wrong token all come to the same answer.
    func identity(of head: RequestHead) throws(Refusal) -> Identity {
        let list = list.withLock { $0 }
        if head.fields.contains("authorization") {
            let token = BearerToken(head.fields)
            let found = list.identity(ofToken: TokenDigest(of: token?.bytes ?? []))
            if token != nil, let found { return found }
        } else if let found = list.identity(ofCertificate: head.peer.certificateNames) {
            return found
        }
        var detail =
            "this needs a valid token, as `Authorization: Bearer TOKEN`; the operator of the "
            + "service makes one with `polyak token`"
        if let name = head.peer.certificateNames.first, !head.fields.contains("authorization") {
            detail +=
                "; the certificate names \(name.prefix(64)), and no line of the token file has the "
                + "certificate of that name"
        }
        throw Refusal(
            ProblemKind.unauthenticated.problem(detail, fields: [("WWW-Authenticate", "Bearer")]))
    }
}

/// The token in a request's `Authorization: Bearer` (RFC 6750 section 2.1).
struct BearerToken {
    let bytes: [UInt8]

    /// Nil unless there is one such field with one token.
    init?(_ fields: HeaderFields) {
        let values = fields.all("authorization")
        guard values.count == 1 else { return nil }
        let words = values[0].utf8.split(separator: UInt8(ascii: " "))
        // RFC 9110 section 11.1: schemes compare without case.
        guard words.count == 2, String(Substring(words[0])).lowercased() == "bearer" else {
            return nil
        }
        bytes = Array(words[1])
        guard bytes.allSatisfy(BearerToken.mayBeInToken) else { return nil }
    }

    /// RFC 6750 section 2.1, `b64token`.
    private static func mayBeInToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
