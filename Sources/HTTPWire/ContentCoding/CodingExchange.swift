/// An exchange whose client sent `Accept-Encoding`: text is coded accordingly on its way out.
public final class CodingExchange: Exchange {
    private let exchange: any Exchange
    private let accepted: String

    private init(_ exchange: any Exchange, _ accepted: String) {
        self.exchange = exchange
        self.accepted = accepted
    }

    /// `exchange` itself where the client sent none, since nothing is coded unasked.
    public static func around(_ exchange: any Exchange, _ fields: HeaderFields) -> any Exchange {
        guard fields.contains("accept-encoding"), let accepted = fields.list("accept-encoding")
        else { return exchange }
        return CodingExchange(exchange, accepted)
    }

    public func respond(_ response: Response) {
        exchange.respond(response.coded(by: accepted, of: exchange))
    }

    public func resumeBody() { exchange.resumeBody() }

    public func widenWindow() { exchange.widenWindow() }

    public func resumeResponse() { exchange.resumeResponse() }

    public func failResponse() { exchange.failResponse() }

    public func onCancel(_ work: @escaping @Sendable () -> Void) { exchange.onCancel(work) }

    public func onLane(_ work: @escaping @Sendable () -> Void) { exchange.onLane(work) }

    public func takeDescriptors() -> [any PassedDescriptor] { exchange.takeDescriptors() }
}
