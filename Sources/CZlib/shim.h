// The deflate and gzip codings.
#include <zlib.h>
