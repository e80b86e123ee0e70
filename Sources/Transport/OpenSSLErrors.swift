import COpenSSL

/// The thread's queue of OpenSSL's errors.
enum OpenSSLErrors {
    /// Empties the queue.
    ///
    /// - Returns: the reason of the first error, which is the cause of the others.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        // The system's errors have the highest of 32 bits set, and no reason of OpenSSL's.
        if code > UInt(Int32.max) { return describe(Int32(truncatingIfNeeded: code) & Int32.max) }
        guard let reason = ERR_reason_error_string(code) else { return "error \(code)" }
        return String(cString: reason)
    }
}
