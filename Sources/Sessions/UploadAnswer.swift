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
        writer.member("session", session)
        writer.member("revision", revision)
        writer.member("applied", averages.contains { $0.isApplied })
        writer.key("averages")
        writer.beginObject()
        for average in averages {
            writer.key(average.name)
            writer.beginObject()
            writer.member("averaging_started", average.isStarted)
            writer.member("average_counter", average.count)
            writer.member("applied", average.isApplied)
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
