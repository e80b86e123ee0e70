import ServiceLimits

/// Collects one request's header list and makes a head of it (RFC 9113 sections 8.2 and 8.3).
///
/// nghttp2 has checked names, values and the set of pseudo-fields; what HTTP/1.1 checks beyond
/// that in a request line and in fields is checked here by the same code, with the same limits, so
/// that a request means the same over both versions. Nothing is stored beyond a limit.
struct FieldSection {
    /// The first thing that is wrong; what comes after it is not looked at.
    private(set) var error: WireError?
    /// Bytes of all names and values that have come, stored or not.
    private(set) var decodedBytes = 0

    private var bytes: [UInt8] = []
    private var entries: [HeaderFields.Entry] = []
    private var fieldBytes = 0
    private var method: Range<Int>?
    private var path: Range<Int>?
    private var scheme: Range<Int>?
    private var authority: Range<Int>?
    private var meaning = FieldMeaning()

    /// Adds the next field; valid during the call only.
    mutating func add(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, limits: Limits
    ) {
        decodedBytes += name.count + value.count
        guard error == nil else { return }
        do throws(WireError) {
            if name.first == Byte.colon {
                try addPseudoField(name: name, value: value, limits: limits)
            } else {
                try addField(name: name, value: value, limits: limits)
            }
        } catch {
            self.error = error
        }
    }

    private mutating func addPseudoField(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, limits: Limits
    ) throws(WireError) {
        let whole = 0..<name.count
        if name.equals(whole, ":path") {
            guard value.count <= limits.requestLineBytes else { throw .requestLineTooLong }
            path = store(value)
        } else if name.equals(whole, ":method") {
            guard value.count <= limits.requestLineBytes else { throw .requestLineTooLong }
            method = store(value)
        } else if name.equals(whole, ":scheme") {
            guard value.count <= limits.fieldBytes else { throw .fieldTooLong }
            scheme = store(value)
        } else if name.equals(whole, ":authority") {
            try addAuthority(value, limits)
        } else {
            throw .malformedRequestLine
        }
    }

    /// What is `Host` over HTTP/1.1 (RFC 9113 section 8.3.1).
    private mutating func addAuthority(
        _ value: UnsafeRawBufferPointer, _ limits: Limits
    ) throws(WireError) {
        let name: StaticString = "host"
        let start = bytes.count
        bytes.append(name)
        let stored = store(value)
        authority = stored
        try note(HeaderFields.Entry(name: start..<stored.lowerBound, value: stored), limits)
    }

    private mutating func addField(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, limits: Limits
    ) throws(WireError) {
        if let authority, name.equals(0..<name.count, "host") {
            guard agrees(authority, value) else { throw .invalidHost }
            return
        }
        guard fieldBytes + name.count + value.count <= limits.headerBytes else {
            throw .headTooLarge
        }
        let storedName = store(name)
        let storedValue = store(value)
        let trimmed = bytes.withUnsafeBytes { $0.trimmed(storedValue) }
        try note(HeaderFields.Entry(name: storedName, value: trimmed), limits)
    }

    /// Counts a field as HTTP/1.1 counts its line, with the colon and the space.
    private mutating func note(
        _ entry: HeaderFields.Entry, _ limits: Limits
    ) throws(WireError) {
        let size = entry.name.count + entry.value.count + 2
        guard size <= limits.fieldBytes else { throw .fieldTooLong }
        fieldBytes += size
        guard fieldBytes <= limits.headerBytes else { throw .headTooLarge }
        guard entries.count < limits.fields else { throw .tooManyFields }
        if entries.isEmpty { entries.reserveCapacity(16) }
        entries.append(entry)
        let noted = bytes.withUnsafeBytes { bytes in
            Result { () throws(WireError) in
                try meaning.note(bytes, name: entry.name, value: entry.value)
            }
        }
        try noted.get()
    }

    private mutating func store(_ text: UnsafeRawBufferPointer) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text)
        return start..<bytes.count
    }

    private func agrees(_ authority: Range<Int>, _ host: UnsafeRawBufferPointer) -> Bool {
        authority.count == host.count
            && zip(bytes[authority], host).allSatisfy { Byte.lowercased($0) == Byte.lowercased($1) }
    }

    /// The head, when the list is complete.
    mutating func finish(endsStream: Bool, peer: Peer) throws(WireError) -> RequestHead {
        if let error { throw error }
        guard let method, let scheme else { throw .malformedRequestLine }
        let length = try meaning.bodyLength(isOldVersion: false)
        guard meaning.sawHost else { throw .missingHost }
        guard !meaning.hasUnknownExpectation else { throw .unknownExpectation }
        let target = try checkTarget(method: method, scheme: scheme)
        let bytes = bytes
        self.bytes = []
        return bytes.withUnsafeBytes { raw in
            RequestHead(
                method: raw.string(method), path: raw.string(target.path),
                query: target.query.map { raw.string($0) },
                fields: HeaderFields(bytes: bytes, entries: entries),
                body: endsStream || length != .none ? length : .unknown,
                expectsContinue: meaning.expectsContinue && !endsStream && length != .known(0),
                peer: peer)
        }
    }

    /// RFC 9113 section 8.3.1; `CONNECT` has no path and is for proxies only.
    private func checkTarget(
        method: Range<Int>, scheme: Range<Int>
    ) throws(WireError) -> (path: Range<Int>, query: Range<Int>?) {
        guard let path, !path.isEmpty else { throw .invalidTarget }
        guard bytes[method].allSatisfy(Byte.isToken), !method.isEmpty else {
            throw .malformedRequestLine
        }
        let isKnownScheme = bytes.withUnsafeBytes {
            $0.equals(scheme, "http") || $0.equals(scheme, "https")
        }
        guard isKnownScheme, bytes[path].allSatisfy(Byte.isTarget) else { throw .invalidTarget }
        guard bytes[path.lowerBound] == Byte.slash else {
            let isAsterisk = path.count == 1 && bytes[path.lowerBound] == Byte.asterisk
            guard isAsterisk, bytes[method].elementsEqual("OPTIONS".utf8) else {
                throw .invalidTarget
            }
            return (path, nil)
        }
        guard let mark = bytes[path].firstIndex(of: Byte.questionMark) else { return (path, nil) }
        return (path.lowerBound..<mark, mark + 1..<path.upperBound)
    }
}
