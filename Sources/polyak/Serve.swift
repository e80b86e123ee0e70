import ArgumentParser
import Foundation
import HTTPWire
import Logging
import Service
import ServiceLimits
import Transport

/// `polyak serve`: runs the service until a signal ends it.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the service until SIGTERM or SIGINT.",
        discussion: SettingArguments.discussion)

    @OptionGroup var arguments: SettingArguments

    func run() throws {
        StopSignals.block()
        let environment = ProcessInfo.processInfo.environment
        let reader = try arguments.readOrExit()
        let settings = reader.settings
        let logger = Self.logger(settings)
        logger.info("settings", metadata: reader.metadata)
        var reloads: [ReloadAction] = []
        let access = try Self.access(settings, &reloads, logger)

        let service: PolyakService
        let server: Server
        do {
            let tls = try TLSIdentity(settings, logger)
            if let tls { reloads.append(tls.reloadAction(logger)) }
            let directories = try ServiceDirectories(settings, environment: environment)
            try directories.create()
            Self.reportMachine(settings, directories, logger)
            service = try PolyakService(
                limits: settings.limits, dataDirectory: directories.data,
                runtimeDirectory: directories.runtime, access: access,
                localFiles: settings.localFiles == Settings.off
                    ? nil : ServiceDirectories.absolute(settings.localFiles),
                logger: logger)
            server = try Self.startServer(settings, tls, service, logger)
        } catch {
            StandardError.write("polyak: cannot start: \(error)\n")
            throw ExitCode.failure
        }
        for address in server.addresses { StandardError.write("listening on \(address)\n") }
        let manager = ServiceManager(environment: environment)
        manager.ready()

        _ = StopSignals.wait { ReloadAction.run(reloads, logger) }
        logger.info(
            "stopping", metadata: ["grace": "\(Quantity.text(settings.limits.shutdownGrace))"])
        manager.stopping()
        service.beginShutdown()
        Task.detached {
            await server.shutdown(grace: settings.limits.shutdownGrace)
            service.close()
            logger.info("stopped")
            Foundation.exit(EXIT_SUCCESS)
        }
        // As a shell reports a process that the signal killed.
        _exit(128 + StopSignals.wait {})
    }

    /// Who may use the service; nil: whoever reaches it.
    private static func access(
        _ settings: Settings, _ reloads: inout [ReloadAction], _ logger: Logger
    ) throws -> AccessControl? {
        guard settings.tokenFile != Settings.off else { return nil }
        let file = TokenFile(path: settings.tokenFile, limits: settings.limits)
        do throws(TokenFileError) {
            let access = AccessControl(try file.read())
            for address in settings.listen where Self.isInClear(address) {
                logger.warning(
                    "tokens cross the network in clear: listen on https://, or behind a mesh",
                    metadata: ["address": "\(address)"])
            }
            reloads.append(
                ReloadAction(name: "token file") {
                    let list = try file.read()
                    access.replace(by: list)
                    return "\(list.count) identities"
                })
            return access
        } catch {
            StandardError.write("polyak: \(error)\n")
            throw ExitCode.validationFailure
        }
    }

    /// Whether other machines reach the address, and what they send is not encrypted.
    private static func isInClear(_ address: String) -> Bool {
        guard let address = try? ListenAddress(address), case .tcp = address else { return false }
        return !address.isLocal
    }

    private static func startServer(
        _ settings: Settings, _ tls: TLSIdentity?, _ service: PolyakService, _ logger: Logger
    ) throws -> Server {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let limits = settings.limits
        let server = try Server(
            listen: try settings.listen.map { try ListenAddress($0) }, tls: tls,
            laneCount: settings.lanes == 0 ? processors : settings.lanes,
            limits: limits, logger: logger, takesDescriptors: settings.localFiles != Settings.off,
            makeEngine: { host, peer, now in
                HTTP1Engine(limits: limits, handler: service, host: host, peer: peer, now: now)
            })
        server.start()
        return server
    }

    private static func logger(_ settings: Settings) -> Logger {
        var logger = Logger(label: "polyak") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel) ?? .info
        return logger
    }

    /// Says at start what would otherwise be found out under load.
    private static func reportMachine(
        _ settings: Settings, _ directories: ServiceDirectories, _ logger: Logger
    ) {
        let descriptors = DescriptorLimit.raise()
        if descriptors <= settings.limits.connections {
            logger.warning(
                "fewer open files are allowed than connections: raise LimitNOFILE or ulimit -n",
                metadata: [
                    "open files": "\(descriptors)",
                    "connections": "\(settings.limits.connections)",
                ])
        }
        let space = directories.runtimeSpace()
        logger.info(
            "runtime directory",
            metadata: [
                "path": "\(directories.runtime)", "free": "\(space.freeBytes >> 20)MiB",
            ])
        if !space.isMemory {
            logger.warning(
                "the runtime directory is not in memory (tmpfs), so uploads are slower",
                metadata: ["path": "\(directories.runtime)"])
        }
    }
}
