/// An error as every client of the service sees it: `application/problem+json` of RFC 9457.
public struct Problem: Sendable {
    /// The last part of `type`: `/problems/{name}`.
    let name: String
    /// The answer's status, 400…599.
    let status: Int
    /// The same for every problem of this name.
    let title: String
    /// What is wrong with this request, and what to do.
    let detail: String
    /// Further members; `json` is ready JSON text.
    let extensions: [(name: String, json: String)]
    /// Header fields beside `Content-Type`, such as `Allow` or `Retry-After`.
    let fields: [(name: String, value: String)]

    public init(
        name: String, status: Int, title: String, detail: String,
        extensions: [(name: String, json: String)] = [],
        fields: [(name: String, value: String)] = []
    ) {
        self.name = name
        self.status = status
        self.title = title
        self.detail = detail
        self.extensions = extensions
        self.fields = fields
    }

    /// The answer that carries this problem.
    public func response() -> Response {
        Response(
            text: Array(json().utf8), contentType: "application/problem+json", status: status,
            fields: fields)
    }

    /// `text` as a JSON string, quotes included (RFC 8259 section 7).
    public static func jsonString(_ text: String) -> String {
        var bytes: [UInt8] = [Byte.quote]
        bytes.reserveCapacity(text.utf8.count + 2)
        for byte in text.utf8 {
            switch byte {
            case Byte.quote, Byte.backslash:
                bytes.append(Byte.backslash)
                bytes.append(byte)
            case 0..<Byte.space:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(Byte.hexadecimalDigit(byte >> 4))
                bytes.append(Byte.hexadecimalDigit(byte & 15))
            default:
                bytes.append(byte)
            }
        }
        bytes.append(Byte.quote)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func json() -> String {
        var text = "{\"type\":" + Self.jsonString("/problems/" + name)
        text += ",\"title\":" + Self.jsonString(title)
        text += ",\"status\":\(status)"
        text += ",\"detail\":" + Self.jsonString(detail)
        for member in extensions {
            text += "," + Self.jsonString(member.name) + ":" + member.json
        }
        return text + "}"
    }
}
