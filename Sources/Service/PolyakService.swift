public import HTTPWire
public import Logging
public import ServiceLimits
import Sessions
public import Storage

/// The HTTP API over the sessions: decides on each request by its head.
///
/// Called on every lane at once; it keeps nothing of its own beside the session store.
public final class PolyakService: RequestHandler {
    let limits: Limits
    let store: SessionStore
    /// Nil where nobody has to say who they are.
    let access: AccessControl?
    /// Nil where uploads by reference are not allowed.
    let localFiles: LocalFiles?
    /// What JSON bodies that are being received may hold.
    let documents: ByteBudget
    let logger: Logger

    /// Finds the sessions again that a process before this one left.
    ///
    /// - Parameters:
    ///   - access: who may use the service; nil: whoever reaches it.
    ///   - localFiles: the directory of the files that clients of this host may name instead of
    ///     sending a model; nil allows none.
    /// - Throws: `StorageError`, whose description says what to do.
    public init(
        limits: Limits, dataDirectory: String, runtimeDirectory: String,
        access: AccessControl? = nil, localFiles: String? = nil, logger: Logger
    ) throws(StorageError) {
        self.limits = limits
        self.access = access
        self.logger = logger
        documents = ByteBudget(limit: limits.allJSONBytes)
        if let localFiles {
            self.localFiles = try LocalFiles(directory: localFiles)
        } else {
            self.localFiles = nil
        }
        store = try SessionStore(
            limits: limits, dataDirectory: dataDirectory, runtimeDirectory: runtimeDirectory,
            logger: logger)
    }

    /// Readiness fails, new sessions and uploads are refused, and long polls end.
    public func beginShutdown() {
        store.beginShutdown()
    }

    /// Writes every session to the data directory. To be called when no request is served any more.
    public func close() {
        store.close()
    }

    public func handle(_ head: RequestHead, exchange: any Exchange) -> BodyDisposition {
        let exchange = CodingExchange.around(exchange, head.fields)
        do throws(Refusal) {
            let request = try Request(head, access)
            return try request.route.handle(self)(request, exchange)
        } catch {
            exchange.respond(error.problem.response())
            return .discard
        }
    }
}

/// Why a request is refused: a problem that is thrown.
struct Refusal: Error {
    var problem: Problem

    init(_ problem: Problem) {
        self.problem = problem
    }

    init(_ error: SessionError) {
        problem = Problem(error)
    }
}

/// What `work` gives, its session error turned into a refusal.
func refusing<Value>(
    _ work: @autoclosure () throws(SessionError) -> Value
) throws(Refusal) -> Value {
    do { return try work() } catch { throw Refusal(error) }
}

extension Exchange {
    /// Answers a request whose body nobody wants.
    func answer(_ response: Response) -> BodyDisposition {
        respond(response)
        return .discard
    }
}
