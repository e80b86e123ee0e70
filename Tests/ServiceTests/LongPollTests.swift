import HTTPWire
import ServiceLimits
import Testing

@testable import Service

/// `Prefer: wait` with `If-None-Match`.
@Suite struct LongPollTests {
    private let service: TestService
    private let path = "/v1/sessions/s/averages/main"

    init() throws {
        var limits = Limits()
        limits.longPoll = .seconds(60)
        limits.waiters = 2
        service = try TestService(limits)
        service.create()
        service.upload(model(1))
    }

    private func poll(_ seconds: String = "60", tag: String? = nil) throws -> FakeExchange {
        let exchange = FakeExchange()
        let current = try #require(service.send("GET", path)["etag"])
        service.begin(
            "GET", path, [("If-None-Match", tag ?? current), ("Prefer", "wait=\(seconds)")],
            exchange)
        return exchange
    }

    @Test func aChangeEndsTheWait() throws {
        let waiting = try poll()
        service.send("POST", "/v1/sessions/s/epochs", json: "{}")
        #expect(waiting.answer == nil)
        service.upload(model(3))
        let answer = waiting.answered()
        #expect(answer.status == 200)
        #expect(answer["polyak-revision"] == "3")
        #expect(answer["preference-applied"] == "wait")
        // (1 + 3) / 2 in float32.
        #expect(Array(answer.body.suffix(4)) == [0, 0, 0, 0x40])
    }

    @Test func withoutAChangeItEndsWith304() throws {
        let answer = try poll("1").answered()
        #expect(answer.status == 304)
        #expect(answer["preference-applied"] == "wait")
    }

    @Test func whatIsOtherwiseIsAnsweredAtOnce() throws {
        #expect(try poll("0").answer?.status == 304)
        #expect(try poll("x").answer?.status == 304)
        #expect(try poll(tag: "\"other\"").answer?.status == 200)
    }

    @Test func deletionAndShutdownEndTheWait() throws {
        let first = try poll()
        service.service.beginShutdown()
        #expect(first.answered().status == 304)
        // While the service stops nobody waits.
        #expect(try poll().answer?.status == 304)
    }

    @Test func aDeletionEndsTheWait() throws {
        let waiting = try poll()
        #expect(service.send("DELETE", "/v1/sessions/s").status == 204)
        #expect(waiting.answered().problem == "session-not-found")
    }

    @Test func onlySoManyMayWait() throws {
        let waiting = [try poll(), try poll()]
        let refused = try #require(try poll().answer)
        #expect(refused.status == 429 && refused.problem == "quota-exceeded")
        service.upload(model(2))
        for exchange in waiting { #expect(exchange.answered().status == 200) }
    }

    @Test func aClientThatIsGoneGivesItsPlaceBack() throws {
        for _ in 0..<5 {
            let waiting = [try poll(), try poll()]
            #expect(try poll().answer?.status == 429)
            for exchange in waiting { exchange.cancel() }
        }
        let last = try poll()
        #expect(last.answer == nil)
        service.upload(model(2))
        #expect(last.answered().status == 200)
    }

    @Test func aClientThatIsGoneIsNotKept() throws {
        weak var exchange: FakeExchange?
        do {
            let waiting = try poll()
            exchange = waiting
            waiting.cancel()
            #expect(waiting.answer == nil)
        }
        #expect(exchange == nil)
    }

    @Test func anAnsweredWaitKeepsNothing() throws {
        weak var exchange: FakeExchange?
        do {
            let waiting = try poll()
            exchange = waiting
            service.upload(model(2))
            #expect(waiting.answered().status == 200)
        }
        #expect(exchange == nil)
    }
}
