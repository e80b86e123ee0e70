import Dispatch
import Foundation
import Glibc
import HTTPWire
import ServiceLimits
import Testing
import Transport

/// Limits that concern the whole process are tested in a process of their own.
@Suite struct LimitTests {
    static let dots: Server.EngineFactory = { host, _, _ in
        LineEngine(host) { _, _ in [.bytes([0x2E, 0x0A])] }
    }

    static func roundTrip(_ client: Client) throws {
        try client.send("\n")
        #expect(try client.line() == ".")
    }

    @Test func `connections over the limit are closed, and there is room again after one has gone`()
        async throws
    {
        var limits = Limits.patient
        limits.connections = 2
        try await withServer(limits: limits, engine: Self.dots) { server throws in
            let first = try server.connect()
            let second = try server.connect()
            try Self.roundTrip(first)
            try Self.roundTrip(second)
            #expect(server.connectionCount == 2)
            #expect(try server.connect().receiveToEnd().isEmpty)
            first.close()
            eventually("the closed connection is still counted") { server.connectionCount == 1 }
            try Self.roundTrip(try server.connect())
        }
    }

    @Test func `without descriptors clients wait, and are served when there are some again`() async
    {
        await #expect(processExitsWith: .success) {
            let server = try Server(
                listen: [.tcp(host: "127.0.0.1", port: 0)], laneCount: 2, limits: .patient,
                logger: quietLogger(), makeEngine: LimitTests.dots)
            server.start()
            try await blocking {
                // The clients' descriptors are there before the limit is set.
                let clients = try (0..<8).map { _ in try server.connect() }
                for client in clients { try LimitTests.roundTrip(client) }
                // So are those that Dispatch takes when it first needs a timer, as it does by
                // itself when its threads get no time.
                let timerFired = DispatchSemaphore(value: 0)
                DispatchQueue.global().asyncAfter(deadline: .now()) { timerFired.signal() }
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(1)) {
                    timerFired.signal()
                }
                for _ in 0..<2 { timerFired.wait() }
                let free = dup(0)
                close(free)
                // One descriptor for the next client; none for the server's end of it.
                var limit = rlimit(rlim_cur: rlim_t(free + 1), rlim_max: 20_000)
                precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                let waiting = try server.connect()
                try waiting.send("\n")
                // It waits, and the accepting lane does not spend the time trying.
                let before = processorMilliseconds()
                let isAnswered = waiting.isReadable(within: 1_000)
                precondition(!isAnswered)
                precondition(processorMilliseconds() - before < 100)
                // Others are served meanwhile.
                for _ in 0..<200 {
                    for client in clients[1...] { try LimitTests.roundTrip(client) }
                }
                clients[0].close()
                let answer = try waiting.line()
                precondition(answer == ".")
            }
            await server.shutdown(grace: .seconds(5))
            precondition(server.connectionCount == 0)
        }
    }

    @Test func `no descriptor outlives its connection or its server`() async {
        await #expect(processExitsWith: .success) {
            let identity = try TestCertificates.identity()
            let before = openDescriptors()
            for kind in Kind.allCases + Kind.allCases {
                let server = try Server(
                    listen: [kind.address, kind.address], tls: identity,
                    laneCount: 3, limits: .patient,
                    logger: quietLogger(), makeEngine: LimitTests.dots)
                server.start()
                try await blocking {
                    for round in 0..<60 {
                        let client = try server.connect()
                        if round % 3 > 0 { try LimitTests.roundTrip(client) }
                        if round % 2 > 0 { client.reset() }
                    }
                }
                await server.shutdown(grace: .seconds(5))
            }
            // Up to four are the runtime's for the life of the process; one lane has two.
            let isClean = becomesTrue { openDescriptors() <= before + 4 }
            precondition(isClean, "\(openDescriptors()) of \(before)")
        }
    }

    @Test func `five hundred idle connections hinder nobody`() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 2_000, rlim_max: 2_000)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let server = try Server(
                listen: [.tcp(host: "127.0.0.1", port: 0)], laneCount: 2, limits: .patient,
                logger: quietLogger(), makeEngine: LimitTests.dots)
            server.start()
            try await blocking {
                let idle = try (0..<500).map { _ in try server.connect() }
                let client = try server.connect()
                for _ in 0..<1_000 { try LimitTests.roundTrip(client) }
                precondition(server.connectionCount == 501)
                for client in idle { try LimitTests.roundTrip(client) }
            }
            await server.shutdown(grace: .seconds(5))
            precondition(server.connectionCount == 0)
        }
    }
}

/// Processor time that this process has used.
func processorMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

func openDescriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? -1
}
