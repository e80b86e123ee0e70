/// The ways in which a safetensors body can be wrong, one case for each cause.
enum SafetensorsFault {
    case bodyWithoutHeader(bodyByteCount: Int)
    case headerLongerThanBody(headerByteCount: Int, bodyByteCount: Int)
    case bodyLengthDiffers(declared: Int, bodyByteCount: Int)
    case bodyEndedEarly(received: Int, declared: Int?)
    case bytesAfterData(declared: Int)
    case json(reason: String)
    case wrongKind(what: String, expected: String, found: String)
    case duplicateName
    case duplicateMetadata(name: String)
    case duplicateKey(name: String)
    case unknownKey(name: String)
    case missingKey(name: String)
    case notACount(what: String, literal: String)
    case offsetCount(Int)
    case offsetsReversed(begin: Int, end: Int)
    case sizeOverflow
    case sizeDiffers(shape: Int, offsets: Int)
    case hole(begin: Int, expected: Int)
    case overlap(begin: Int, expected: Int)

    var detail: String {
        switch self {
        case .bodyWithoutHeader(let count):
            "a safetensors body begins with 8 bytes of length, but the body has \(count)"
        case .headerLongerThanBody(let header, let body):
            "the header with its length takes \(header) bytes, but the body has \(body)"
        case .bodyLengthDiffers(let declared, let body):
            "header and tensors take \(declared) bytes, but the body has \(body)"
        case .bodyEndedEarly(let received, let declared?):
            "the body ended after \(received) of \(declared) bytes"
        case .bodyEndedEarly(let received, nil):
            "the body ended within the header, after \(received) bytes"
        case .bytesAfterData(let declared):
            "the body goes on after the \(declared) bytes of header and tensors"
        case .json(let reason): "the header is not valid JSON: \(reason)"
        case .wrongKind(let what, let expected, let found):
            "\(what) must be \(expected), not \(found)"
        case .duplicateName: "the name occurs twice"
        case .duplicateMetadata(let name): "\"\(name)\" occurs twice in __metadata__"
        case .duplicateKey(let name): "\"\(name)\" occurs twice"
        case .unknownKey(let name):
            "\"\(name)\" is not a part of an entry: dtype, shape and data_offsets are"
        case .missingKey(let name): "\"\(name)\" is missing"
        case .notACount(let what, let literal):
            "\(what) must be an integer from 0 to \(Int.max), not \(literal)"
        case .offsetCount(let count): "data_offsets must have 2 numbers, not \(count)"
        case .offsetsReversed(let begin, let end):
            "data_offsets end at \(end), before they begin at \(begin)"
        case .sizeOverflow: "the product of the shape and the element size is too large"
        case .sizeDiffers(let shape, let offsets):
            "shape and dtype make \(shape) bytes, but data_offsets span \(offsets)"
        case .hole(let begin, let expected):
            "the data begin at \(begin), leaving a hole after \(expected)"
        case .overlap(let begin, let expected):
            "the data begin at \(begin), within the tensor that ends at \(expected)"
        }
    }

    /// - Parameters:
    ///   - offset: A byte position in the body.
    ///   - tensor: The name of the tensor that the fault is about.
    func error(at offset: Int?, tensor: String? = nil) -> ModelError {
        .malformed(detail: detail, offset: offset, tensor: tensor)
    }
}
