import HTTPWire
import ServiceLimits
import Testing

@testable import Service

/// Every route × method × sender. What is expected is written here by hand from http-api.md.
@Suite struct AccessTests {
    private static func line(_ name: String, _ role: Role, _ prefix: String? = nil) -> String {
        "\(name):\(role):\(TokenDigest(of: Array("token-of-\(name)".utf8)).hexadecimal)"
            + (prefix.map { ":" + $0 } ?? "")
    }

    private static let file = [
        line("reader", .read), line("trainer", .train), line("boss", .admin),
        "nobody:admin:\(AccessListTests.nothing)", line("guest", .admin, "other"),
        line("member", .admin, "s"), "node:train:certificate",
        "node:train:\(TokenDigest(of: Array("token-of-node".utf8)).hexadecimal)",
    ].joined(separator: "\n")

    private static func bearer(_ name: String) -> [(String, String)] {
        [("Authorization", "Bearer token-of-\(name)")]
    }

    private let service: TestService

    init() throws {
        service = try TestService(access: Self.file)
        create()
    }

    /// Makes the session `s` with a model and cached weights, unless it is there.
    private func create() {
        let boss = Self.bearer("boss")
        for (method, target, body) in [
            ("PUT", "/v1/sessions/s", Array(settings.utf8)),
            ("POST", "/v1/sessions/s/parameters", model(1)),
            ("PUT", "/v1/sessions/s/cached", [1]),
        ] {
            let answer = service.send(method, target, boss, body: body)
            #expect((200...201).contains(answer.status), "\(answer.text)")
        }
    }

    private let settings = #"{"rule":{"name":"ema","decay":0.5}}"#

    /// Who may: `nil` is everyone. Methods that are not named are refused with 405.
    private static let expected: [(path: String, who: [String: Role?])] = [
        ("/", ["GET": nil, "HEAD": nil]),
        ("/livez", ["GET": nil, "HEAD": nil]),
        ("/readyz", ["GET": nil, "HEAD": nil]),
        ("/healthz", ["GET": nil, "HEAD": nil]),
        ("/problems/forbidden", ["GET": nil, "HEAD": nil]),
        ("/v1/sessions", ["GET": .read, "HEAD": .read]),
        ("/v1/sessions/s", ["GET": .read, "HEAD": .read, "PUT": .train, "DELETE": .admin]),
        ("/v1/sessions/s/parameters", ["POST": .train]),
        ("/v1/sessions/s/epochs", ["POST": .train]),
        ("/v1/sessions/s/averages/main", ["GET": .read, "HEAD": .read]),
        ("/v1/sessions/s/averages/main/tensors?name=w", ["GET": .read, "HEAD": .read]),
        ("/v1/sessions/s/averages/main/tensors/w", ["GET": .read, "HEAD": .read]),
        (
            "/v1/sessions/s/cached",
            ["GET": .read, "HEAD": .read, "PUT": .train, "DELETE": .train]
        ),
    ]

    private struct Case {
        var path: String
        var method: String
        /// Nil: the method is not allowed. The inner nil: everyone may.
        var role: Role??

        var isOpen: Bool { path == "/" || !path.hasPrefix("/v1/") }
    }

    private static let methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]

    private static let cases = expected.flatMap { path, who in
        methods.map { Case(path: path, method: $0, role: who[$0]) }
    }

    private func body(_ one: Case) -> [UInt8]? {
        switch (one.method, one.path.split(separator: "/").last) {
        case ("PUT", "s"): Array(settings.utf8)
        case (_, "epochs"): Array("{}".utf8)
        case ("PUT", _), ("POST", _): model(1)
        default: nil
        }
    }

    private func send(
        _ one: Case, _ fields: [(String, String)], path: String? = nil, from peer: Peer = .loopback
    ) -> Answer {
        service.send(one.method, path ?? one.path, fields, body: body(one), from: peer)
    }

    @Test func theTableHasEveryRoute() throws {
        var forgotten = Set(Route.table.map { "\($0.method) \($0.template)" })
        for (target, who) in Self.expected {
            let path = try #require(ResourcePath(String(target.prefix { $0 != "?" })))
            let routes = Route.table.filter { $0.matches(path) }
            #expect(routes.flatMap(\.methods).sorted() == who.keys.sorted())
            forgotten.subtract(routes.map { "\($0.method) \($0.template)" })
        }
        #expect(forgotten.isEmpty)
    }

    @Test func withoutAValidTokenOnlyWhatIsOpenIsAnswered() {
        let senders: [[(String, String)]] = [
            [], [("Authorization", "Bearer wrong")], [("Authorization", "Bearer")],
            [("Authorization", "")], [("Authorization", "Basic dG9rZW4tb2YtYm9zcw==")],
            [("Authorization", "token-of-boss")], [("Authorization", "Bearer token-of-boss x")],
            [("Authorization", "Bearer \"token-of-boss\"")],
            [("Authorization", "Bearer TOKEN-OF-BOSS")],
            [("Authorization", "Bearer token-of-boss,")],
            Self.bearer("boss") + Self.bearer("boss"),
            Self.bearer("boss") + [("Authorization", "Basic eA==")],
            [("Proxy-Authorization", "Bearer token-of-boss")],
        ]
        var refusals: Set<String> = []
        for fields in senders {
            for one in Self.cases {
                let answer = send(one, fields)
                if one.isOpen {
                    #expect(answer.status != 401 && answer.status != 403, "\(one)")
                    if one.role != nil { #expect(answer.status == 200, "\(one)") }
                    continue
                }
                #expect(answer.status == 401 && answer.problem == "unauthenticated", "\(one)")
                #expect(answer["www-authenticate"] == "Bearer")
                refusals.insert(answer.text)
            }
            // What is no resource is not told to strangers.
            #expect(service.send("GET", "/v1/nothing", fields).status == 401)
        }
        #expect(refusals.count == 1, "every way to have no token is answered alike")
    }

    @Test func theSchemeComparesWithoutCase() {
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
            let fields = [("Authorization", "\(scheme) token-of-reader")]
            #expect(service.send("GET", "/v1/sessions/s", fields).status == 200, "\(scheme)")
        }
    }

    @Test func methodsThatAreNotThereAreRefusedBeforeRolesAre() {
        for one in Self.cases where one.role == nil && one.path != "/" {
            let answer = send(one, Self.bearer("reader"))
            #expect(answer.status == 405, "\(one)")
        }
        #expect(service.send("GET", "/v1/nothing", Self.bearer("reader")).status == 404)
    }

    @Test func aRoleMayWhatItsTableSaysAndNoMore() {
        let roles: [(String, Role)] = [("reader", .read), ("trainer", .train), ("boss", .admin)]
        for (name, role) in roles {
            for one in Self.cases {
                guard case .some(.some(let needed)) = one.role else { continue }
                let answer = send(one, Self.bearer(name))
                if role >= needed {
                    #expect((200...204).contains(answer.status), "\(name) \(one) \(answer.text)")
                } else {
                    #expect(answer.status == 403 && answer.problem == "forbidden", "\(one)")
                    #expect(answer.text.contains("\(name) has the role \(role)"))
                    #expect(answer.text.contains("needs \(needed)"))
                }
                create()
            }
        }
    }

    @Test func anotherPrefixSeesNothingOfASession() {
        for one in Self.cases where one.path.hasPrefix("/v1/sessions/s") && one.role != nil {
            for query in ["", "?unknown=1", "?x=%zz"] {
                let hidden = send(one, Self.bearer("guest"), path: one.path + query)
                if one.method == "PUT", one.path == "/v1/sessions/s" {
                    #expect(hidden.status == 403 && hidden.problem == "forbidden", "\(one)")
                    #expect(hidden.text.contains(#"begin with \"other\""#))
                    continue
                }
                #expect(hidden.problem == "session-not-found", "\(one)")
                // As one that is not there, but for its name.
                let absent = send(
                    one, Self.bearer("guest"),
                    path: one.path.replacing("/s", with: "/t", maxReplacements: 2)
                        .replacing("/tessions", with: "/sessions") + query)
                #expect(
                    absent.text
                        == hidden.text.replacing("\"s\\\"", with: "\"t\\\"")
                        .replacing("sessions/s\"", with: "sessions/t\""))
                #expect(absent.status == hidden.status)
            }
        }
        // Nothing was done.
        #expect(service.send("GET", "/v1/sessions/s/cached", Self.bearer("boss")).status == 200)
    }

    @Test func aPrefixSeesItsOwnSessions() {
        for one in Self.cases where one.path.hasPrefix("/v1/sessions/s") && one.role != nil {
            #expect((200...204).contains(send(one, Self.bearer("member")).status), "\(one)")
            create()
        }
        let made = service.send(
            "PUT", "/v1/sessions/other.1", Self.bearer("guest"), body: Array(settings.utf8))
        #expect(made.status == 201)
        func list(_ name: String, _ query: String = "") -> String {
            service.send("GET", "/v1/sessions" + query, Self.bearer(name)).text
        }
        func names(_ text: String) -> [Substring] {
            text.matches(of: /"session":"([^"]*)"/).map(\.output.1)
        }
        #expect(names(list("boss")) == ["other.1", "s"])
        #expect(names(list("guest")) == ["other.1"])
        #expect(names(list("member")) == ["s"])
        // No trace of the others in the page after it either.
        #expect(list("guest", "?limit=1").hasSuffix(#""next":null}"#))
        #expect(list("guest", "?after=other.1") == #"{"sessions":[],"next":null}"#)
    }

    @Test func aCertificateStandsForATokenUnlessThereIsOne() {
        let node = Peer(place: .remote, isEncrypted: true, certificateNames: ["x", "node"])
        let unknown = Peer(place: .remote, isEncrypted: true, certificateNames: ["reader", "x"])
        func status(_ fields: [(String, String)], _ peer: Peer) -> Int {
            service.send("GET", "/v1/sessions/s", fields, from: peer).status
        }
        #expect(status([], node) == 200)
        #expect(status([], unknown) == 401)
        #expect(status([("Authorization", "Bearer wrong")], node) == 401)
        #expect(status(Self.bearer("reader"), unknown) == 200)
        // A token counts for more than the certificate, also when it may less.
        let report = Case(path: "/v1/sessions/s/epochs", method: "POST")
        #expect(send(report, [], from: node).status == 200)
        #expect(send(report, Self.bearer("reader"), from: node).status == 403)
    }

    @Test func aReplacedListCountsFromTheNextRequestOn() throws {
        let old = try AccessList(parsing: Self.line("old", .read), maximumCount: 1)
        let control = AccessControl(old)
        func isKnown(_ name: String) -> Bool {
            var fields = HeaderFields()
            fields.append(name: "authorization", value: "Bearer token-of-\(name)")
            let head = RequestHead(
                method: "GET", path: "/", query: nil, fields: fields, body: .none,
                expectsContinue: false, peer: .loopback)
            return (try? control.identity(of: head)) != nil
        }
        #expect(isKnown("old") && !isKnown("new"))
        control.replace(
            by: try AccessList(parsing: Self.line("new", .read), maximumCount: 1))
        #expect(!isKnown("old") && isKnown("new"))
    }

    static let origins: [(origins: [String], host: String?, isForeign: Bool)] = [
        ([], nil, false), ([], "a", false),
        (["http://127.0.0.1:8080"], "127.0.0.1:8080", false),
        (["http://[::1]:8080"], "[::1]:8080", false),
        (["https://Polyak.example"], "polyak.EXAMPLE", false),
        (["http://a"], "a:80", false), (["https://a:443"], "a", false),
        (["null"], "a", true), ([""], "a", true), (["http://a"], nil, true),
        (["http://b"], "a", true), (["http://a:81"], "a", true), (["http://a"], "a:81", true),
        (["http://127.0.0.1:3000"], "127.0.0.1:8080", true),
        (["http://a.evil.example"], "a", true), (["http://a@evil.example"], "a", true),
        (["file://a"], "a", true), (["a"], "a", true), (["http://a/"], "a", true),
        (["http://a", "http://b"], "a", true), (["http://a", "http://a"], "a", false),
        (["https://a:80"], "a", true), (["http://a http://b"], "a", true),
    ]

    @Test(arguments: origins)
    func pagesOfOtherPlacesAreRefused(origins: [String], host: String?, isForeign: Bool) throws {
        let fields =
            origins.map { ("Origin", $0) } + (host.map { [("Host", $0)] } ?? [])
        for one in Self.cases {
            guard let role = one.role else { continue }
            let answer = send(one, fields + Self.bearer("boss"))
            if isForeign, role != nil {
                #expect(answer.status == 403 && answer.problem == "forbidden", "\(one)")
            } else {
                #expect((200...204).contains(answer.status), "\(one)")
                create()
            }
        }
    }
}
