import StrictJSON

/// The body of the answer to an upload, as http-api.md gives it. Made once, as bytes, because it is
/// kept for repeated requests.
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
