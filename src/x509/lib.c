/* The room's library context, and certificates out of it. SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/crypto.h>

#include "base/alloc.h"
#include "x509/x509_internal.h"

tw_err tw_x509_new(tw_x509 **x509) {
  tw_x509 *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  tw_x509_begin();
  made->lib = OSSL_LIB_CTX_new();
  if (made->lib != NULL) made->provider = OSSL_PROVIDER_load(made->lib, "default");
  tw_x509_end();
  if (made->provider == NULL) {
    tw_x509_free(made);
    return TW_ERR_NO_MEMORY;
  }
  *x509 = made;
  return TW_OK;
}

void tw_x509_free(tw_x509 *x509) {
  if (x509 == NULL) return;
  tw_x509_begin();
  if (x509->provider != NULL) OSSL_PROVIDER_unload(x509->provider);
  OSSL_LIB_CTX_free(x509->lib);
  tw_x509_end();
  tw_alloc_free(NULL, x509);
}

bool tw_x509_short_of_memory(void) { return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE; }

X509 *tw_x509_parse(tw_x509 *x509, tw_bytes der) {
  if (der.len > LONG_MAX) return NULL;
  X509 *certificate = X509_new_ex(x509->lib, NULL);
  if (certificate == NULL) return NULL;
  X509 *parsed = certificate; /* freed and set to NULL by d2i_X509 when it fails */
  const unsigned char *at = der.ptr;
  if (d2i_X509(&parsed, &at, (long)der.len) != NULL && at == der.ptr + der.len) return parsed;
  X509_free(parsed);
  return NULL;
}

BIO *tw_x509_bio(tw_bytes bytes) {
  if (bytes.len > INT_MAX) return NULL;
  return BIO_new_mem_buf(bytes.len == 0 ? "" : (const char *)bytes.ptr, (int)bytes.len);
}
