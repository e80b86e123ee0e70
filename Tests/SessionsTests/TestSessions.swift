import Dispatch
import Foundation
import Logging
import ServiceLimits
import Storage
import StrictJSON
import Synchronization
import TestSupport
import Testing

@testable import Sessions

extension SessionStore {
    /// The store whose data and runtime directories are in `directory`. Time passes for it only
    /// where a test says so, however slow the test is.
    static func open(in directory: TemporaryDirectory, _ limits: Limits) throws -> SessionStore {
        let store = try SessionStore(
            limits: limits, dataDirectory: directory("data"), runtimeDirectory: directory("run"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        store.stopTimers()
        return store
    }
}

/// A session store with directories of its own, which go with it.
final class TestSessions {
    let store: SessionStore
    let directory: TemporaryDirectory

    init(_ limits: Limits = Limits()) throws {
        directory = try TemporaryDirectory()
        store = try .open(in: directory, limits)
    }

    /// Creates a session; `settings` is JSON.
    func create(
        _ settings: String, name: String = "s", owner: String? = nil
    ) throws -> Session {
        let settings = try SessionSettings(json(settings), maximumAverages: 32)
        let creation = try awaited {
            store.create(name, settings: settings, owner: owner, answer: $0)
        }.get()
        switch creation {
        case .created(let session), .existed(let session): return session
        }
    }

    func delete(_ name: String = "s") throws {
        try awaited { store.delete(name, answer: $0) }.get()
    }
}

extension Session {
    /// Names of the files in the runtime directory, sorted.
    func fileNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    /// How many slot files there are.
    func slotCount() throws -> Int {
        try fileNames().count { $0.hasSuffix(".safetensors") }
    }

    /// Reports and waits for the answer.
    func report(
        _ loss: Double?, epoch: Int = 0, key: String? = nil, body: [UInt8] = [1]
    ) -> Result<String, SessionError> {
        awaited { answer in
            report(
                Report(epoch: epoch, loss: loss), key: key,
                fingerprint: key.map { _ in
                    RequestFingerprint(head: "POST", body: .sha256(body))
                }, answer: answer)
        }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The session's state, without the memory it holds, for comparing before and after.
    var stateText: String {
        String(decoding: stateJSON(), as: UTF8.self)
            .replacing(/,"bytes_held":[0-9]+/, with: "")
    }
}

/// Runs `start` and waits for its answer.
func awaited<Value: Sendable>(_ start: (@escaping @Sendable (Value) -> Void) -> Void) -> Value {
    let result = Mutex<Value?>(nil)
    let arrival = DispatchSemaphore(value: 0)
    start { value in
        result.withLock { $0 = value }
        arrival.signal()
    }
    while true {
        arrival.wait()
        if let value = result.withLock({ $0 }) { return value }
    }
}

func json(_ text: String) throws -> JSONValue {
    try JSONReader.read(Array(text.utf8), maximumDepth: 32)
}

func text(_ writing: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    writing(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
}
