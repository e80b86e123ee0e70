/// A client's bytes taken apart into frames, to be changed as frames.
struct HTTP2Frames {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let control: UInt8
    private var frames: [[UInt8]] = []

    /// Nil when the bytes do not begin with a preface.
    init?(_ bytes: [UInt8]) {
        guard let control = bytes.first, bytes.dropFirst().starts(with: Self.preface) else {
            return nil
        }
        self.control = control
        var rest = bytes[(1 + Self.preface.count)...]
        while !rest.isEmpty {
            let length = rest.prefix(3).reduce(0) { $0 << 8 | Int($1) }
            frames.append(Array(rest.prefix(9 + length)))
            rest = rest.dropFirst(9 + length)
        }
    }

    var bytes: [UInt8] { [control] + Self.preface + frames.joined() }

    /// Changes one thing.
    mutating func change(
        _ numbers: inout some RandomNumberGenerator, payload: ([UInt8]) -> [UInt8]
    ) {
        guard let index = frames.indices.randomElement(using: &numbers) else {
            return frames.append(Self.frame(&numbers))
        }
        switch Int.random(in: 0..<9, using: &numbers) {
        case 0: frames.remove(at: index)
        case 1: frames.insert(frames[index], at: index)
        case 2:
            let other = frames.indices.randomElement(using: &numbers) ?? index
            frames.swapAt(index, other)
        case 3, 4: frames.insert(Self.frame(&numbers), at: index)
        case 5: frames.append(Self.frame(&numbers))
        case 6 where frames[index].count >= 9:
            // Its type, its flags, or its stream.
            let position = [3, 4, 4, 8, 8].randomElement(using: &numbers) ?? 8
            frames[index][position] ^= 1 << UInt8.random(in: 0..<6, using: &numbers)
        default:
            guard frames[index].count >= 9 else { return }
            let header = Array(frames[index][3..<9])
            let changed = payload(Array(frames[index][9...]))
            frames[index] = Self.length(changed.count) + header + changed
        }
    }

    /// A frame as clients send them, good or of an attack.
    private static func frame(_ numbers: inout some RandomNumberGenerator) -> [UInt8] {
        let id = UInt8(2 * Int.random(in: 0..<8, using: &numbers) + 1)
        let number = UInt8.random(in: 0...255, using: &numbers)
        let all: [[UInt8]] = [
            frame(0, flags: number % 2, id, Array(repeating: 0x64, count: Int(number))),
            frame(0, flags: 8 | number % 2, id, [number % 4, 1, 2, 3]),
            frame(1, flags: 5, id, request(0x82, path: number)),
            frame(1, flags: 4, id, request(0x83, path: number)),
            frame(1, flags: number % 8, id, request(0x83, path: number)),
            frame(1, flags: 5, id, [0x00, 1, 0x74, 1, number]),
            frame(2, flags: 0, id, [0, 0, 0, 0, number]),
            frame(3, flags: 0, id, [0, 0, 0, number % 16]),
            frame(4, flags: 0, 0, [0, number % 9, 0, 0, number, 0]),
            frame(4, flags: 1, 0, []),
            frame(6, flags: 0, 0, [1, 2, 3, 4, 5, 6, 7, number]),
            frame(7, flags: 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
            frame(8, flags: 0, number % 2 * id, [number & 0x7F, 0, number, 1]),
            frame(9, flags: 4, id, [0x00, 1, 0x75, 1, number]),
        ]
        return all.randomElement(using: &numbers) ?? []
    }

    private static func request(_ method: UInt8, path: UInt8) -> [UInt8] {
        let letters = Array("aedbrplsufgc".utf8)
        let fields: [[UInt8]] = [
            [], [0x0F, 0x0D, 1, 0x35], [0x40, 1, 0x78, 1, 0x79],
            [0x0F, 0x14, 12] + Array("100-continue".utf8),
        ]
        return [method, 0x86, 0x04, 2, 0x2F, letters[Int(path) % letters.count], 0x41, 1, 0x61]
            + fields[Int(path) / letters.count % fields.count]
    }

    private static func frame(
        _ type: UInt8, flags: UInt8, _ id: UInt8, _ payload: [UInt8]
    ) -> [UInt8] {
        length(payload.count) + [type, flags, 0, 0, 0, id] + payload
    }

    private static func length(_ count: Int) -> [UInt8] {
        [16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    }
}

@_silgen_name("LLVMFuzzerMutate")
private func mutate(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ room: Int) -> Int

/// Called by libFuzzer to change an input: mostly frame by frame.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateFrames(
    _ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ room: Int, _ seed: CUnsignedInt
) -> Int {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard seed % 8 != 0, var frames = HTTP2Frames(bytes) else { return mutate(start, count, room) }
    var numbers = FuzzInput(withUnsafeBytes(of: seed) { Array($0) })
    for _ in 0...numbers.next() % 3 {
        frames.change(&numbers) { payload in
            var changed = payload + [UInt8](repeating: 0, count: 64)
            let count = mutate(&changed, payload.count, changed.count)
            return Array(changed[..<count])
        }
    }
    let changed = frames.bytes
    guard changed.count <= room else { return mutate(start, count, room) }
    start.update(from: changed, count: changed.count)
    return changed.count
}
