import StrictJSON

/// The body of the answer to a report, as http-api.md gives it. Made once, as bytes, because it is
/// kept for repeated requests.
struct ReportAnswer {
    struct Average {
        var name: String
        var isStarted: Bool
        var startedNow: Bool
        var reason: String?
    }

    var session: String
    var revision: Int
    var averages: [Average]

    func bytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("session")
        writer.string(session)
        writer.key("revision")
        writer.int(revision)
        writer.key("averages")
        writer.beginObject()
        for average in averages {
            writer.key(average.name)
            writer.beginObject()
            writer.key("averaging_started")
            writer.bool(average.isStarted)
            writer.key("started_now")
            writer.bool(average.startedNow)
            writer.key("reason")
            if let reason = average.reason { writer.string(reason) } else { writer.null() }
            writer.endObject()
        }
        writer.endObject()
        writer.key("wants_parameters")
        writer.bool(averages.contains { $0.isStarted })
        writer.endObject()
        return writer.bytes
    }
}
