import Foundation

/// Bodies written by the Python packages safetensors 0.8.0 and NumPy 2.4.6 (ml_dtypes for BF16):
///
///     save({"layer.weight": array([[1.5, -2.0, 3.25], [0.1, -0.0, 1e-40]], float32),
///           "layer.bias": array([0.1, -1e300], float64),
///           "half": array([65504.0, -0.5, 6e-8], float16), "steps": array(-7, int64),
///           "empty": zeros((0, 4), float32), "mask": array([True, False, True]),
///           "bytes": array([0, 255], uint8), "i8": array([-128], int8),
///           "i16": array([-32768, 5], int16), "i32": array([-2147483648], int32),
///           "u16": array([65535], uint16), "u32": array([4294967295], uint32),
///           "u64": array([18446744073709551615], uint64),
///           'größe "a/b"\\\n': array([42.0], float32)},
///          metadata={"format": "np", "note": "é\t"})
///     save({"bf": array([1.0, -2.0, nan], bfloat16)})
///     save({})
///
/// where `save` is `safetensors.numpy.save`.
enum SafetensorsFixtures {
    /// A tensor of each type but BF16, and metadata.
    static let mixed = decoded(
        """
        eAMAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJub3RlIjoiw6lcdCIsImZvcm1hdCI6Im5wIn0sInU2NCI6eyJkdHlwZS
        I6IlU2NCIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCJzdGVwcyI6eyJkdHlwZSI6Ikk2NCIsInNo
        YXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpbOCwxNl19LCJsYXllci5iaWFzIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOl
        syXSwiZGF0YV9vZmZzZXRzIjpbMTYsMzJdfSwiZW1wdHkiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsNF0sImRh
        dGFfb2Zmc2V0cyI6WzMyLDMyXX0sImdyw7bDn2UgXCJhL2JcIlxcXG4iOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6Wz
        FdLCJkYXRhX29mZnNldHMiOlszMiwzNl19LCJsYXllci53ZWlnaHQiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIs
        M10sImRhdGFfb2Zmc2V0cyI6WzM2LDYwXX0sInUzMiI6eyJkdHlwZSI6IlUzMiIsInNoYXBlIjpbMV0sImRhdGFfb2
        Zmc2V0cyI6WzYwLDY0XX0sImkzMiI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzY0
        LDY4XX0sImhhbGYiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOls2OCw3NF19LCJ1MT
        YiOnsiZHR5cGUiOiJVMTYiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOls3NCw3Nl19LCJpMTYiOnsiZHR5cGUi
        OiJJMTYiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOls3Niw4MF19LCJpOCI6eyJkdHlwZSI6Ikk4Iiwic2hhcG
        UiOlsxXSwiZGF0YV9vZmZzZXRzIjpbODAsODFdfSwiYnl0ZXMiOnsiZHR5cGUiOiJVOCIsInNoYXBlIjpbMl0sImRh
        dGFfb2Zmc2V0cyI6WzgxLDgzXX0sIm1hc2siOnsiZHR5cGUiOiJCT09MIiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZX
        RzIjpbODMsODZdfX0gICAgICD///////////n/////////mpmZmZmZuT+cdQCIPOQ3/gAAKEIAAMA/AAAAwAAAUEDN
        zMw9AAAAgMIWAQD/////AAAAgP97ALgBAP//AIAFAIAA/wEAAQ==
        """)

    /// One BF16 tensor.
    static let bfloat16 = decoded(
        """
        OAAAAAAAAAB7ImJmIjp7ImR0eXBlIjoiQkYxNiIsInNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzAsNl19fYA/AM
        DAfw==
        """)

    /// No tensor at all.
    static let empty = decoded(
        """
        CAAAAAAAAAB7fSAgICAgIA==
        """)

    private static func decoded(_ base64: String) -> [UInt8] {
        Data(base64Encoded: base64, options: .ignoreUnknownCharacters).map { [UInt8]($0) } ?? []
    }
}
