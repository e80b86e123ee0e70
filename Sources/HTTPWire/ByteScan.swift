/// Looks through bytes eight at a time.
enum ByteScan {
    private static var ones: UInt64 { 0x0101_0101_0101_0101 }
    private static var highs: UInt64 { 0x8080_8080_8080_8080 }

    /// The first control character other than a tab at or after `start`; `bytes.count` without one.
    static func firstControl(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            // Bytes below 0x20, then bytes equal to 0x7F; the high bit of each such byte is set.
            // Carries can only mark bytes above a true one, and the lowest is looked at first.
            let below = (word &- ones &* 0x20) & ~word & highs
            let delete = word ^ (ones &* 0x7F)
            let found = below | ((delete &- ones) & ~delete & highs)
            guard found != 0 else {
                index += 8
                continue
            }
            index += found.trailingZeroBitCount / 8
            guard bytes[index] == Byte.tab else { return index }
            index += 1
        }
        while index < bytes.count {
            if !Byte.isFieldContent(bytes[index]) { return index }
            index += 1
        }
        return index
    }
}

extension UnsafeRawBufferPointer {
    /// `range` without spaces and tabs at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, self[start] == Byte.space || self[start] == Byte.tab { start += 1 }
        while start < end, self[end - 1] == Byte.space || self[end - 1] == Byte.tab { end -= 1 }
        return start..<end
    }

    /// Whether the bytes in `range` are `text`, which is in lower case, ignoring case.
    func equals(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        let wanted = text.utf8Start
        for offset in 0..<range.count
        where Byte.lowercased(self[range.lowerBound + offset]) != wanted[offset] {
            return false
        }
        return true
    }

    func string(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: self[range]), as: UTF8.self)
    }

    /// Calls `body` with each element of a comma-separated list, trimmed; empty ones too.
    func forEachElement<Failure>(
        _ list: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        var start = list.lowerBound
        for index in list where self[index] == Byte.comma {
            try body(trimmed(start..<index))
            start = index + 1
        }
        try body(trimmed(start..<list.upperBound))
    }
}
