public import StrictJSON

/// One epoch's report (http-api.md, "Reports").
public struct Report: Sendable, Equatable {
    /// Number of finished epochs, 0 or more; the callback's `epoch_no + 1`.
    var epoch: Int
    /// Finite; nil when the report has none.
    var loss: Double?

    public init(epoch: Int, loss: Double?) {
        self.epoch = epoch
        self.loss = loss
    }

    /// - Throws: `SessionError.invalidReport`.
    public init(_ json: JSONValue) throws(SessionError) {
        guard case .object(let object) = json else {
            throw .invalidReport(
                detail: "the body is \(json.settingsDescription); "
                    + "send a JSON object such as {\"epoch\": 3, \"loss\": 2.31}")
        }
        epoch = 0
        loss = nil
        for member in object.members {
            switch member.name {
            case "epoch": epoch = try Report.epoch(member.value)
            case "loss": loss = try Report.loss(member.value)
            default:
                throw .invalidReport(
                    detail: "unknown key \"\(member.name)\"; allowed are epoch and loss")
            }
        }
    }

    private static func epoch(_ json: JSONValue) throws(SessionError) -> Int {
        if case .number(let number) = json, let epoch = number.int, epoch >= 0 {
            return epoch
        }
        throw .invalidReport(
            detail: "epoch is \(json.settingsDescription); "
                + "it must be an integer >= 0, the number of finished epochs")
    }

    private static func loss(_ json: JSONValue) throws(SessionError) -> Double? {
        if json == .null { return nil }
        if case .number(let number) = json, number.double.isFinite { return number.double }
        throw .invalidReport(
            detail: "loss is \(json.settingsDescription); it must be a finite JSON number. "
                + "Nothing was logged: leave this epoch's report out, or report another measure")
    }
}
