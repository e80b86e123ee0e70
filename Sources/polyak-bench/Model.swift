import Foundation

/// The element types that the benchmark uploads.
enum UploadType: String {
    case float32 = "F32"
    case bfloat16 = "BF16"

    var bytes: Int { self == .float32 ? 4 : 2 }
}

/// A model as a safetensors file in a touched buffer.
struct Model: Sendable {
    let file: TouchedBuffer
    let dataOffset: Int
    let type: UploadType

    /// The elements of all tensors, in the order of the file.
    var data: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[dataOffset...]) }
    var elements: Int { data.count / type.bytes }

    /// A model of normally distributed parameters; equal arguments give equal models.
    init(elements: Int, tensors: Int, type: UploadType, seed: UInt64) throws(BenchError) {
        let header = Self.header(elements: elements, tensors: tensors, type: type)
        dataOffset = header.count
        self.type = type
        file = try TouchedBuffer(count: header.count + elements * type.bytes)
        file.bytes.copyBytes(from: header)
        let data = UnsafeMutableRawBufferPointer(rebasing: file.bytes[dataOffset...])
        switch type {
        case .float32:
            let values = data.bindMemory(to: Float.self)
            fillNormal(seed: seed, count: elements) { values[$0] = $1 }
        case .bfloat16:
            let values = data.bindMemory(to: UInt16.self)
            fillNormal(seed: seed, count: elements) {
                values[$0] = UInt16(truncatingIfNeeded: $1.bitPattern >> 16)
            }
        }
    }

    /// Tensors as a transformer has them: by turns a large matrix and a short bias, in the order of
    /// their names, which is the order in which an averaged file has them too.
    private static func header(elements: Int, tensors: Int, type: UploadType) -> [UInt8] {
        let pairs = max(1, tensors / 2)
        let bias = min(1024, elements / (pairs * 8))
        var entries: [String] = []
        var begin = 0
        func add(_ name: String, _ count: Int) {
            let end = begin + count * type.bytes
            entries.append(
                #""\#(name)":{"dtype":"\#(type.rawValue)","shape":[\#(count)],"#
                    + #""data_offsets":[\#(begin),\#(end)]}"#)
            begin = end
        }
        for pair in 0..<pairs {
            let share = elements * (pair + 1) / pairs - elements * pair / pairs
            let name = String(format: "layers.%04d.", pair)
            add(name + "bias", bias)
            add(name + "weight", share - bias)
        }
        var text = "{" + entries.joined(separator: ",") + "}"
        text += String(repeating: " ", count: (8 - text.utf8.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) } + text.utf8
    }
}

/// Standard normal values in all but the tails: the sum of four uniform ones, scaled.
private func fillNormal(seed: UInt64, count: Int, store: (Int, Float) -> Void) {
    let scale = Float(3).squareRoot() / 65536
    for index in 0..<count {
        // SplitMix64 (Steele, Lea & Flood 2014) of the index: no state to carry along.
        var bits = (seed &* 0x2545_F491_4F6C_DD1D) &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        bits ^= bits >> 31
        let sum =
            Int32(truncatingIfNeeded: bits & 0xFFFF)
            + Int32(truncatingIfNeeded: bits >> 16 & 0xFFFF)
            + Int32(truncatingIfNeeded: bits >> 32 & 0xFFFF) + Int32(truncatingIfNeeded: bits >> 48)
        store(index, Float(sum - 131_070) * scale)
    }
}
