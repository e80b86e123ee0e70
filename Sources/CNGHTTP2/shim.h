// HTTP/2 framing, header compression and stream states.
#include <nghttp2/nghttp2.h>
