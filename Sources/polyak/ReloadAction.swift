import Logging

/// Something that the service reads again when SIGHUP asks for it, such as a file of tokens.
struct ReloadAction: Sendable {
    /// What is read, in a word or two for the log.
    let name: String
    /// Reads it, and takes it over only when it is whole and right: what it throws means that
    /// everything stays as it was. Returns what was found, for the log. Runs on the thread that
    /// waits for signals, beside requests in progress.
    let read: @Sendable () throws -> String

    /// Runs every action; one that fails does not keep the others from running.
    static func run(_ actions: [ReloadAction], _ logger: Logger) {
        if actions.isEmpty { logger.info("SIGHUP: nothing to read again") }
        for action in actions {
            do {
                let found = try action.read()
                logger.notice("\(action.name) read again", metadata: ["found": "\(found)"])
            } catch {
                logger.error("\(action.name) not read again, the old stay in force: \(error)")
            }
        }
    }
}
