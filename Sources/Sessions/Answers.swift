import StrictJSON

// The bodies of the answers to uploads and reports, as http-api.md gives them. They are kept for
// repeated requests, so they are made once, as bytes.

struct UploadAnswer {
    struct Average {
        var name: String
        var isStarted: Bool
        var count: Int
        var isApplied: Bool
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
        writer.key("applied")
        writer.bool(averages.contains { $0.isApplied })
        writer.key("averages")
        writer.beginObject()
        for average in averages {
            writer.key(average.name)
            writer.beginObject()
            writer.key("averaging_started")
            writer.bool(average.isStarted)
            writer.key("average_counter")
            writer.int(average.count)
            writer.key("applied")
            writer.bool(average.isApplied)
            writer.endObject()
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    /// The recorded answer to a step that was folded before.
    static func duplicate(of recorded: [UInt8]) -> [UInt8] {
        recorded.dropLast() + Array(",\"duplicate\":true}".utf8)
    }
}

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
