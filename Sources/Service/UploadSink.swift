import HTTPWire
import Sessions

/// Pushes a request's body into an admitted upload. Used on the connection's lane only.
final class UploadSink: BodySink {
    /// How to get from a file that is never read to one that is.
    static let conversion =
        "A PyTorch checkpoint is converted with: python -c \"import torch, safetensors.torch as s; "
        + "s.save_file(torch.load('model.pt', weights_only=True), 'model.safetensors')\""

    private let upload: Upload
    private let exchange: any Exchange
    private let digest: BodyDigest?
    private var sniffs: Bool

    /// - Parameters:
    ///   - digest: given when the request has an idempotency key.
    ///   - sniffs: the head does not say that the body is safetensors: look at its first bytes.
    init(_ upload: Upload, exchange: any Exchange, digest: BodyDigest?, sniffs: Bool) {
        self.upload = upload
        self.exchange = exchange
        self.digest = digest
        self.sniffs = sniffs
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        if sniffs {
            sniffs = false
            if let format = UploadSink.foreignFormat(chunk) {
                upload.abort()
                exchange.respond(
                    ProblemKind.unsupportedFormat.problem(
                        "the body looks like \(format); send safetensors. " + UploadSink.conversion
                    ).response())
                return chunk.count
            }
        }
        let taken = upload.receive(chunk)
        digest?.update(UnsafeRawBufferPointer(rebasing: chunk[..<taken]))
        return taken
    }

    var wantsBody: Bool { upload.wantsBody }

    func finish() { upload.finish(fingerprint: digest?.finish()) }

    func abort(_ reason: BodyAbort) { upload.abort() }

    /// Formats that users try and that are not read, by their first bytes.
    private static func foreignFormat(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.count >= 8 else { return nil }
        // Where a safetensors header begins, gzip has flags.
        if bytes.starts(with: [0x1F, 0x8B, 0x08]), bytes.dropFirst(8).first != UInt8(ascii: "{") {
            return "gzip without Content-Encoding: gzip"
        }
        // A safetensors length never uses the upper four of its eight bytes.
        guard bytes[4..<8].contains(where: { $0 != 0 }) else { return nil }
        if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) { return "a ZIP archive (.npz or .pt)" }
        if bytes[0] == 0x80, (2...5).contains(bytes[1]) { return "a pickle" }
        if bytes[0] == UInt8(ascii: "{") { return "JSON" }
        return nil
    }
}

/// Reads a body only for its digest. Used on the connection's lane only.
final class DigestSink: BodySink {
    private let digest: BodyDigest
    private let complete: (RequestFingerprint.Body) -> Void

    init(limit: Int, complete: @escaping (RequestFingerprint.Body) -> Void) {
        digest = BodyDigest(limit: limit)
        self.complete = complete
    }

    func receive(_ chunk: UnsafeRawBufferPointer) -> Int {
        digest.update(chunk)
        return chunk.count
    }

    func finish() { complete(digest.finish()) }

    func abort(_ reason: BodyAbort) {}
}
