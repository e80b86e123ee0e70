extension Response {
    /// Text shorter than this is sent plain: with its head it fits in a packet or two either way,
    /// and a kilobyte of JSON is coded no faster than it is sent.
    private static let codedTextBytes = 1024
    /// Longer text is coded as it is sent, so that no lane is kept for longer than a turn.
    private static let codedAtOnceBytes = 64 * 1024

    /// An answer of text, which is coded as the client likes (`CodingExchange`) and says so.
    public init(
        text bytes: [UInt8], contentType: String, status: Int,
        fields: [(name: String, value: String)] = []
    ) {
        self.init(status: status, fields: [("Content-Type", contentType)], body: .bytes(bytes))
        self.fields += fields
        addVary()
    }

    /// The same answer for a client that sent this `Accept-Encoding`. Only bytes are coded: what
    /// else there is are files, and streams whose makers have chosen.
    func coded(by field: String, of exchange: any Exchange) -> Response {
        guard case .bytes(let bytes) = body, !bytes.isEmpty else { return self }
        let isShort = bytes.count < Self.codedTextBytes
        if isShort, !AcceptEncoding.mayRefuseIdentity(field) { return self }
        let accepted = AcceptEncoding(field)
        guard let coding = isShort ? accepted.required : accepted.preferred else { return self }
        var response = self
        response.fields.append(("Content-Encoding", coding.rawValue))
        response.addVary()
        if bytes.count <= Self.codedAtOnceBytes {
            response.body = .bytes(Deflater.coded(bytes, coding))
        } else {
            response.body = .stream(
                length: nil,
                DeflatingSource(BytesSource(bytes), coding: coding, exchange: exchange))
        }
        return response
    }

    private mutating func addVary() {
        let isThere = fields.contains {
            $0.name == "Vary" && $0.value.hasSuffix("Accept-Encoding")
        }
        if !isThere { fields.append(("Vary", "Accept-Encoding")) }
    }
}
