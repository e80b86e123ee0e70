import ArgumentParser

@main
struct Polyak: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyak",
        abstract: "Averages the weights of a training run, next to the trainer, over HTTP.",
        subcommands: [Serve.self, Config.self, Verify.self, Token.self])
}
