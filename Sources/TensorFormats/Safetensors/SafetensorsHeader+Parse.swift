import StrictJSON
import Tensors

extension SafetensorsHeader {
    /// Reads and checks a header, by the rules of the reference reader: sorted by position the
    /// tensors begin at 0, leave no hole and do not overlap, and each has the size that its shape
    /// and type say. Stricter than the reference: an entry has no further keys, `__metadata__` is
    /// not null, and no two names are the same or canonically equivalent in Unicode, because the
    /// service compares names as Swift's strings do.
    ///
    /// - Parameter bytes: The 8 bytes of the length and exactly as many bytes of JSON as it says.
    convenience init(parsing bytes: [UInt8], limits: SafetensorsLimits) throws(ModelError) {
        var parser = HeaderParser(limits: limits)
        try bytes.withUnsafeBufferPointer { buffer throws(ModelError) in
            let whole = UnsafeRawBufferPointer(buffer)
            try parser.parse(
                UnsafeRawBufferPointer(rebasing: whole[HeaderCursor.jsonOffset...]))
        }
        try parser.sortAndCheckPositions()
        self.init(
            tensors: parser.entries.map { Entry(spec: $0.spec, byteOffset: $0.begin) },
            metadata: parser.metadata, bytes: bytes)
    }
}

private struct HeaderParser {
    struct Parsed {
        let spec: TensorSpec
        let begin: Int
        /// The position of its name in the body, for errors.
        let nameOffset: Int
    }

    let limits: SafetensorsLimits
    var entries: [Parsed] = []
    var metadata: [(name: String, value: String)] = []

    init(limits: SafetensorsLimits) {
        self.limits = limits
    }

    mutating func parse(_ json: UnsafeRawBufferPointer) throws(ModelError) {
        var cursor = HeaderCursor(json)
        var names: Set<String> = []
        try cursor.enterObject("the header")
        while let name = try cursor.nextName() {
            let nameOffset = cursor.nameOffset
            cursor.tensor = name
            guard names.insert(name).inserted else {
                throw cursor.error(.duplicateName, at: nameOffset)
            }
            if name == "__metadata__" {
                cursor.tensor = nil
                try readMetadata(&cursor)
                continue
            }
            guard entries.count < limits.tensors else {
                throw .tooLarge(
                    detail: "the model has more than \(limits.tensors) tensors",
                    limit: limits.tensors)
            }
            entries.append(try readEntry(name, nameOffset: nameOffset, &cursor))
            cursor.tensor = nil
        }
        try cursor.finish()
    }

    private mutating func readMetadata(_ cursor: inout HeaderCursor) throws(ModelError) {
        var names: Set<String> = []
        try cursor.enterObject("__metadata__")
        while let name = try cursor.nextName() {
            guard names.insert(name).inserted else {
                throw cursor.error(
                    .duplicateMetadata(name: abbreviated(name)), at: cursor.nameOffset)
            }
            guard metadata.count < limits.tensors else {
                throw .tooLarge(
                    detail: "__metadata__ has more than \(limits.tensors) entries",
                    limit: limits.tensors)
            }
            metadata.append((name, try cursor.readString("a value in __metadata__")))
        }
    }

    private func readEntry(
        _ name: String, nameOffset: Int, _ cursor: inout HeaderCursor
    ) throws(ModelError) -> Parsed {
        var elementType: ElementType?
        var shape: [Int]?
        var offsets: (begin: Int, end: Int)?
        try cursor.enterObject("a tensor's entry")
        while let key = try cursor.nextName() {
            let keyOffset = cursor.nameOffset
            let isFirst: Bool
            switch key {
            case "dtype":
                isFirst = elementType == nil
                elementType = try readType(&cursor, tensor: name)
            case "shape":
                isFirst = shape == nil
                shape = try readShape(&cursor)
            case "data_offsets":
                isFirst = offsets == nil
                offsets = try readOffsets(&cursor)
            default:
                throw cursor.error(.unknownKey(name: abbreviated(key)), at: keyOffset)
            }
            guard isFirst else { throw cursor.error(.duplicateKey(name: key), at: keyOffset) }
        }
        func missing(_ key: String) -> ModelError {
            cursor.error(.missingKey(name: key), at: nameOffset)
        }
        guard let elementType else { throw missing("dtype") }
        guard let shape else { throw missing("shape") }
        guard let offsets else { throw missing("data_offsets") }
        guard let spec = TensorSpec(name: name, elementType: elementType, shape: shape) else {
            throw cursor.error(.sizeOverflow, at: nameOffset)
        }
        let span = offsets.end - offsets.begin
        guard spec.byteCount == span else {
            throw cursor.error(
                .sizeDiffers(shape: spec.byteCount, offsets: span), at: nameOffset)
        }
        return Parsed(spec: spec, begin: offsets.begin, nameOffset: nameOffset)
    }

    private func readType(
        _ cursor: inout HeaderCursor, tensor: String
    ) throws(ModelError) -> ElementType {
        let name = try cursor.readString("dtype")
        guard let type = ElementType(rawValue: name) else {
            throw .unsupportedType(name: abbreviated(name), tensor: abbreviated(tensor))
        }
        return type
    }

    private func readShape(_ cursor: inout HeaderCursor) throws(ModelError) -> [Int] {
        var shape: [Int] = []
        try cursor.enterArray("shape")
        while try cursor.nextElement() {
            guard shape.count < SafetensorsLimits.rank else {
                throw .tooLarge(
                    detail: "a shape has more than \(SafetensorsLimits.rank) dimensions",
                    limit: SafetensorsLimits.rank)
            }
            shape.append(try cursor.readCount("a dimension"))
        }
        return shape
    }

    private func readOffsets(
        _ cursor: inout HeaderCursor
    ) throws(ModelError) -> (begin: Int, end: Int) {
        var begin = 0
        var end = 0
        var count = 0
        try cursor.enterArray("data_offsets")
        let start = cursor.offset
        while try cursor.nextElement() {
            let number = try cursor.readCount("a number in data_offsets")
            if count == 0 { begin = number } else { end = number }
            count += 1
            guard count <= 2 else { throw cursor.error(.offsetCount(count), at: start) }
        }
        guard count == 2 else { throw cursor.error(.offsetCount(count), at: start) }
        guard begin <= end else {
            throw cursor.error(.offsetsReversed(begin: begin, end: end), at: start)
        }
        return (begin, end)
    }

    /// Zero-size tensors sort before the tensor at the same position, else in the header's order.
    mutating func sortAndCheckPositions() throws(ModelError) {
        entries.sort { ($0.begin, $0.spec.byteCount) < ($1.begin, $1.spec.byteCount) }
        var expected = 0
        for entry in entries {
            guard entry.begin == expected else {
                let fault: SafetensorsFault =
                    entry.begin > expected
                    ? .hole(begin: entry.begin, expected: expected)
                    : .overlap(begin: entry.begin, expected: expected)
                throw fault.error(at: entry.nameOffset, tensor: abbreviated(entry.spec.name))
            }
            // `end` was read as an Int, so this cannot overflow.
            expected += entry.spec.byteCount
        }
    }
}
