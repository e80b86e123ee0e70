import COpenSSL

/// What the service's average must be, computed here from the same uploads.
///
/// The first model is copied, each further one folded by a ← a + α·(w − a) in single precision,
/// every operation rounded, as http-api and the kernels promise: the result is equal bit for bit.
struct Oracle {
    private var average: [Float] = []
    private let decay: Double

    /// The average of `uploads`, in the order in which they were folded.
    init(decay: Double, uploads: [Model]) {
        self.decay = decay
        for model in uploads { fold(model) }
    }

    private mutating func fold(_ model: Model) {
        let data = model.data
        let first = average.isEmpty
        if first { average = [Float](repeating: 0, count: model.elements) }
        let alpha = first ? 1 : Float(1 - decay)
        average.withUnsafeMutableBufferPointer { average in
            for index in average.indices {
                let value =
                    switch model.type {
                    case .float32:
                        data.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
                    case .bfloat16:
                        Float(
                            bitPattern: UInt32(
                                data.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
                                << 16)
                    }
                average[index] = first ? value : average[index] + alpha * (value - average[index])
            }
        }
    }

    /// Compares a safetensors file with the average; nil when its data are equal, else what is not.
    func difference(from file: UnsafeRawBufferPointer) -> String? {
        guard file.count >= 8 else { return "a file of \(file.count) bytes" }
        let header = file.loadUnaligned(as: UInt64.self).littleEndian
        guard header <= UInt64(file.count - 8) else { return "a header of \(header) bytes" }
        let data = UnsafeRawBufferPointer(rebasing: file[(8 + Int(header))...])
        guard data.count == average.count * 4 else {
            return "\(data.count) bytes of data instead of \(average.count * 4)"
        }
        for index in average.indices {
            let got = data.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
            if got.bitPattern != average[index].bitPattern {
                return "element \(index) is \(got) instead of \(average[index])"
            }
        }
        return nil
    }

    /// The first 8 bytes of the SHA-256 of the average's bytes, in hexadecimal.
    var checksum: String {
        average.withUnsafeBytes { bytes in
            var digest = [UInt8](repeating: 0, count: 32)
            let done = EVP_Digest(
                bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil)
            precondition(done == 1, "SHA-256 is part of every OpenSSL")
            return digest.prefix(8).map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
        }
    }
}
