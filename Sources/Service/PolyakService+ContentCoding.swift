import HTTPWire
import ServiceLimits

// Coded bodies: what is said of them in the head, and how they are read.

extension PolyakService {
    /// The coding of the request's body; nil for a plain one.
    func contentCoding(_ request: Request) throws(Refusal) -> ContentCoding? {
        guard let field = request.fields.list("content-encoding") else { return nil }
        do {
            return try ContentCoding.ofBody(field)
        } catch {
            let detail =
                switch error {
                case .unknown: "is not supported"
                case .several: "names more than one coding"
                }
            throw Refusal(
                ProblemKind.unsupportedFormat.problem(
                    "Content-Encoding \(field.prefix(64)) \(detail): send the body plain, or under "
                        + "one of " + ContentCoding.list,
                    fields: [("Accept-Encoding", ContentCoding.list)]))
        }
    }

    /// `sink`, behind a decoder where the body is coded.
    ///
    /// - Parameters:
    ///   - limit: bytes of the decoded body; a larger one is refused with 413.
    ///   - what: the body's name in that answer.
    func decoding(
        _ coding: ContentCoding?, into sink: any BodySink, limit: Int, _ what: String,
        _ exchange: any Exchange
    ) -> any BodySink {
        guard let coding else { return sink }
        let inflater = Inflater(coding, limit: limit, ratio: limits.inflationRatio)
        return InflatingSink(sink, inflater: inflater, exchange: exchange) { error in
            let problem =
                switch error {
                case .tooLarge(let limit): Problem.tooLarge(limit: limit, what)
                case .ratioTooHigh(let limit):
                    ProblemKind.tooLarge.problem(
                        error.description, extensions: [("limit", String(limit))])
                default: ProblemKind.malformedEncoding.problem(error.description)
                }
            exchange.respond(problem.response())
        }
    }

    /// The announced length of the content that a body's sink gets: that of a coded body is not
    /// known before its end.
    func decodedLength(_ request: Request, _ coding: ContentCoding?) -> Int? {
        guard coding == nil, case .known(let length) = request.head.body else { return nil }
        return length
    }

    /// Refuses a body by its announced length. A coded one may be as long as its coding can make
    /// a body of `limit` bytes.
    func checkLength(
        _ request: Request, _ coding: ContentCoding?, limit: Int, _ what: String
    ) throws(Refusal) {
        let bound = coding == nil ? limit : Inflater.codedLimit(limit)
        if case .known(let length) = request.head.body, length > bound {
            throw Refusal(.tooLarge(limit: limit, what))
        }
    }
}
