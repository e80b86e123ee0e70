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
        writer.member("session", session)
        writer.member("revision", revision)
        writer.key("averages")
        writer.beginObject()
        for average in averages {
            writer.key(average.name)
            writer.beginObject()
            writer.member("averaging_started", average.isStarted)
            writer.member("started_now", average.startedNow)
            writer.member("reason", average.reason)
            writer.endObject()
        }
        writer.endObject()
        writer.member("wants_parameters", averages.contains { $0.isStarted })
        writer.endObject()
        return writer.bytes
    }
}
