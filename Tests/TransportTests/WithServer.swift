import Dispatch
import Foundation
import HTTPWire
import Logging
import ServiceLimits
import Synchronization
import TestSupport
import Testing
import Transport

/// Which kind of socket a test runs over.
enum Kind: CaseIterable, CustomTestStringConvertible {
    case tcp, unix, tls

    /// Those over which slices are sent by reference.
    static let referring = [tcp, unix]

    var address: ListenAddress {
        switch self {
        case .tcp: .tcp(host: "127.0.0.1", port: 0)
        case .unix: .unix(path: temporaryPath())
        case .tls: .tls(host: "127.0.0.1", port: 0)
        }
    }

    /// What its server shows; nil where that is nothing.
    func identity() throws -> TLSIdentity? {
        self == .tls ? try TestCertificates.identity() : nil
    }

    var testDescription: String {
        switch self {
        case .tcp: "TCP"
        case .unix: "AF_UNIX"
        case .tls: "TLS"
        }
    }
}

func temporaryPath() -> String {
    FileManager.default.temporaryDirectory
        .appendingPathComponent("t" + UUID().uuidString.prefix(13)).path
}

func quietLogger() -> Logger {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    return logger
}

/// Runs blocking code on a thread of its own, not on one of the few that run all tests.
func blocking<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: .init(catching: body)) }
    }
}

/// Starts a server, runs `body`, shuts the server down and checks that nothing is left.
func withServer(
    _ kind: Kind = .tcp, lanes: Int = 2, limits: Limits = .patient,
    identity: TLSIdentity? = nil, engine: @escaping Server.EngineFactory,
    _ body: @escaping @Sendable (Server) throws -> Void
) async throws {
    let server = try Server(
        listen: [kind.address], tls: try identity ?? kind.identity(), laneCount: lanes,
        limits: limits, logger: quietLogger(),
        makeEngine: engine)
    server.start()
    var failure: (any Error)?
    do { try await blocking { try body(server) } } catch { failure = error }
    await server.shutdown(grace: .seconds(patience), refusing: .zero)
    #expect(server.connectionCount == 0)
    if let failure { throw failure }
}

/// HTTP with this handler, patient.
func httpEngine(_ handler: any RequestHandler) -> Server.EngineFactory {
    { host, peer, now in
        HTTP1Engine(limits: .patient, handler: handler, host: host, peer: peer, now: now)
    }
}

extension Server {
    func connect() throws -> Client { try Client(addresses[0]) }

    /// Shuts down while `body` runs on a thread that is there before: neither waits for the
    /// threads that all tests share.
    func shutdown(
        grace: Duration, refusing: Duration = .seconds(patience),
        during body: @escaping @Sendable () throws -> Void
    ) async throws {
        let outcome = Mutex<Result<Void, any Error>?>(nil)
        let end = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            end.signal()
        }
        await shutdown(grace: grace, refusing: refusing)
        try await blocking { end.wait() }
        try outcome.withLock { $0 }?.get()
    }
}

/// Seconds after which a test gives up, on a machine that is busy with other things.
let patience = 300

extension Limits {
    /// Time enough for a test that is slow, or was stopped, in the middle of anything: what ends
    /// the slow is set where it is tested. A test that awaits anything waits for all the others,
    /// with which it shares a few threads.
    static var patient: Limits {
        var limits = Limits()
        limits.headTimeout = .seconds(3600)
        limits.idleTimeout = .seconds(3600)
        limits.bodyGrace = .seconds(3600)
        limits.writeTimeout = .seconds(3600)
        limits.linger = .seconds(3600)
        return limits
    }
}

/// Waits until `condition` holds, at most `patience` seconds.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () -> Bool
) {
    if !becomesTrue(condition) { Issue.record(what, sourceLocation: sourceLocation) }
}

/// Whether `condition` holds within `patience` seconds.
func becomesTrue(_ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now.advanced(by: .seconds(patience))
    while !condition() {
        guard ContinuousClock.now < end else { return false }
        usleep(500)
    }
    return true
}

/// Counts events of other threads, and waits for them.
final class Tally: Sendable {
    private let value = Atomic(0)
    var count: Int { value.load(ordering: .acquiring) }
    func add(_ more: Int = 1) { value.add(more, ordering: .acquiringAndReleasing) }

    func wait(for target: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        eventually("\(count) of \(target)", sourceLocation: sourceLocation) { count >= target }
    }
}

/// Bytes in which every place differs from its neighbours and from the same place a page on.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SplitMix(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
    }
    return Array(bytes[..<count])
}
