/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_profile.h"

#include <stdlib.h>
#include <time.h>

void tw_node_profile_free(tw_node_profile *profile) {
  if (profile == NULL) return;
  tw_node_identity_clear(&profile->identity);
  tw_node_config_clear(&profile->config);
  tw_buf_clear(&profile->text);
  free(profile);
}

tw_err tw_node_profile_read(const tw_env *env, const tw_node_file *file, const tw_node_profile *as,
                            tw_node_profile **profile, tw_problems *problems) {
  const size_t before = problems->count;
  tw_node_profile *p = calloc(1, sizeof *p);
  tw_err err = p == NULL ? TW_ERR_NO_MEMORY : TW_OK;
  if (err == TW_OK && as == NULL) err = tw_node_file_text(file, &p->text, problems);
  if (err == TW_OK && as != NULL) err = tw_buf_assign(&p->text, tw_buf_bytes(&as->text));
  if (err == TW_OK)
    err = tw_node_config_parse(env, file->name, file->path, tw_buf_bytes(&p->text), &p->config, problems);
  if (err == TW_OK) err = tw_node_identity_load(env, &p->config, &p->identity, problems);
  if (err == TW_OK) {
    *profile = p;
    return TW_OK;
  }
  if (problems->count == before) tw_problems_add(problems, file->path, 0, "%s", tw_err_text(err));
  tw_node_profile_free(p);
  return err;
}

tw_certified tw_node_profile_certified(const tw_node_profile *profile) {
  return (tw_certified){.x509 = profile->identity.certificates.x509, .trust = profile->identity.certificates.trust};
}

static bool judges_alike(const tw_node_profile *a, const tw_node_profile *b) {
  const tw_x509_trust *one = a->identity.certificates.trust;
  const tw_x509_trust *other = b->identity.certificates.trust;
  if (!tw_bytes_equal(tw_buf_bytes(&a->text), tw_buf_bytes(&b->text))) return false;
  return one != NULL && other != NULL && tw_x509_trust_is_same(one, other);
}

static bool has_ended(const tw_learned *learned, uint64_t now) {
  for (size_t i = 0; i < learned->count; i++)
    if (learned->list[i].not_after != 0 && learned->list[i].not_after < now) return true;
  return false;
}

tw_err tw_node_profile_add_learned(tw_node_profile *profile, const tw_node_profile *as, tw_learned *learned,
                                   tw_problems *told, tw_report *report) {
  const tw_certified certified = tw_node_profile_certified(profile);
  const uint64_t now = (uint64_t)time(NULL);
  if (as == NULL || !judges_alike(as, profile) || has_ended(learned, now))
    TW_TRY(tw_certified_review(&certified, &profile->config, learned, now, told, report));
  const tw_err err = tw_learned_append(learned, &profile->identity.fingerprint, &profile->config, told);
  return err == TW_OK ? TW_OK : tw_report_fail(report, err, "%s", tw_err_text(err));
}
