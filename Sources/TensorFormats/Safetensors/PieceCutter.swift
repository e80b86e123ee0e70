import Tensors

/// Cuts a stream of tensor data into pieces of whole elements, tensor by tensor.
struct PieceCutter {
    /// Bytes of data that have come.
    private(set) var received = 0
    /// The tensor whose data comes next; zero-size ones are passed over.
    private var tensor = -1
    private var tensorBegin = 0
    private var tensorEnd = 0
    private var elementByteCount = 1
    /// The first bytes of an element that a chunk's end has split, from its lowest byte on.
    private var carry: UInt64 = 0
    private var carried = 0

    /// Takes `chunk`, which must not be longer than the data that is still to come.
    mutating func receive(
        _ chunk: UnsafeRawBufferPointer, header: SafetensorsHeader, _ emit: (TensorPiece) -> Void
    ) {
        var position = 0
        while position < chunk.count {
            while received == tensorEnd { moveToNextTensor(in: header) }
            let available = min(tensorEnd - received, chunk.count - position)
            if carried > 0 || available < elementByteCount {
                position += carry(chunk, from: position, emit)
                continue
            }
            let whole = available - available % elementByteCount
            emit(
                TensorPiece(
                    tensor: tensor,
                    elementOffset: (received - tensorBegin) / elementByteCount,
                    bytes: UnsafeRawBufferPointer(
                        rebasing: chunk[position..<position + whole])))
            received += whole
            position += whole
        }
    }

    /// The tensor that was being received, for an error.
    func currentName(in header: SafetensorsHeader) -> String? {
        header.tensors.first { received < $0.byteOffset + $0.spec.byteCount }
            .map { $0.spec.name }
    }

    /// Adds to the split element and emits it when it is whole.
    ///
    /// - Returns: How many bytes were taken.
    private mutating func carry(
        _ chunk: UnsafeRawBufferPointer, from position: Int, _ emit: (TensorPiece) -> Void
    ) -> Int {
        let taken = min(elementByteCount - carried, chunk.count - position)
        for index in 0..<taken {
            carry |= UInt64(chunk[position + index]) << UInt64(8 * (carried + index))
        }
        carried += taken
        received += taken
        guard carried == elementByteCount else { return taken }
        withUnsafeBytes(of: carry.littleEndian) { element in
            emit(
                TensorPiece(
                    tensor: tensor,
                    elementOffset: (received - tensorBegin) / elementByteCount - 1,
                    bytes: UnsafeRawBufferPointer(rebasing: element[..<elementByteCount])))
        }
        carry = 0
        carried = 0
        return taken
    }

    private mutating func moveToNextTensor(in header: SafetensorsHeader) {
        tensor += 1
        let entry = header.tensors[tensor]
        tensorBegin = entry.byteOffset
        tensorEnd = entry.byteOffset + entry.spec.byteCount
        elementByteCount = entry.spec.elementType.byteCount
    }
}
