// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "agent/lib/text.h"
#include "agent/lib/util.h"
#include "agent/policy/policy.h"

/* Larger files are no configuration. */
#define TEXT_MAX (1 << 20)

/*
 * libinih gives section, key and value. It reads through a function of ours, which knows the line, so that
 * messages can say where; the first one counts.
 */
struct parse {
	FILE *file;
	const struct config_values *values;
	struct config config;
	char *line; /* the one that is being parsed, as it stands in the file */
	size_t room;
	unsigned int number;		       /* from 1 */
	unsigned int policy_file, policy_rule; /* the line that had one; 0: none */
	/* keys that may be given once, as "SECTION KEY", and their lines */
	struct once {
		char key[64];
		unsigned int line;
	} * once;
	size_t n_once, once_room;
	char *why;
	size_t size;
	int err;
};

/* Where in the line, from 1. */
static unsigned int column_of_key(const struct parse *p)
{
	return strspn(p->line, " \t") + 1;
}

static unsigned int column_of_value(const struct parse *p)
{
	size_t at = strcspn(p->line, "=:");

	at += p->line[at] != '\0';
	return at + strspn(p->line + at, " \t") + 1;
}

static int fail(struct parse *p, int err, unsigned int column, const char *text)
{
	if (!p->err)
		snprintf(p->why, p->size, "%s:%u:%u: %s", p->config.file, p->number, column, text);
	p->err = p->err ?: err;
	return 0; /* for libinih: an error */
}

static const char *const sections[] = {"attach", "policy", "instance", "metrics", NULL};

static int unknown(struct parse *p, const char *what, const char *word, const char *const *known)
{
	const char *like = text_closest(word, known);
	char text[256];

	snprintf(text, sizeof(text), "unknown %s '%s'%s%s%s", what, word, like ? ", did you mean '" : "",
		 like ?: "", like ? "'?" : "");
	return fail(p, -EINVAL, column_of_key(p), text);
}

static bool listed(const char *word, const char *const *list)
{
	while (*list && strcmp(*list, word))
		list++;
	return *list;
}

/* libinih says nothing of a section without keys. */
static void look_at_section(struct parse *p)
{
	size_t at = strspn(p->line, " \t");
	char name[64];

	if (p->line[at] != '[')
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p->line + at + 1, "]\n"), p->line + at + 1);
	if (!listed(name, sections))
		unknown(p, "section", name, sections);
}

/*
 * The reader of libinih, as fgets(). Blanks at the beginning are left out: to libinih such a line goes on
 * with the value of the one above, which nobody expects. It takes no more than `room` bytes.
 */
static char *read_line(char *buf, int room, void *arg)
{
	struct parse *p = arg;
	ssize_t n;
	size_t at;

	errno = 0;
	n = p->err ? -1 : getline(&p->line, &p->room, p->file);
	if (n < 0) {
		if (!p->err && !feof(p->file))
			fail(p, -errno ?: -EIO, 1, strerror(errno ?: EIO));
		return NULL;
	}
	p->number++;
	at = strspn(p->line, " \t");
	if (n - at >= (size_t)room)
		fail(p, -EINVAL, at + room, "the line is too long for libinih");
	else
		look_at_section(p);
	snprintf(buf, room, "%s", p->err ? "\n" : p->line + at);
	return buf;
}

static int once(struct parse *p, const char *section, const char *key)
{
	struct once *list;
	char name[64], text[128];

	snprintf(name, sizeof(name), "%s %s", section, key);
	for (size_t i = 0; i < p->n_once; i++) {
		if (strcmp(p->once[i].key, name))
			continue;
		snprintf(text, sizeof(text), "'%s' has been given in line %u", key, p->once[i].line);
		fail(p, -EINVAL, column_of_key(p), text);
		return -EINVAL;
	}
	list = array_grow(p->once, p->n_once, &p->once_room, sizeof(*list));
	if (!list) {
		fail(p, -ENOMEM, 1, strerror(ENOMEM));
		return -ENOMEM;
	}
	p->once = list;
	snprintf(list[p->n_once].key, sizeof(list->key), "%s", name);
	list[p->n_once++].line = p->number;
	return 0;
}

static int on_attach(struct parse *p, const char *key, const char *value)
{
	static const char *const kinds[] = {"unit", "container", "pod", "cgroup", NULL};
	struct config *c = &p->config;
	struct selector *list;
	char why[256];
	int kind = 0;

	while (kind < SELECTOR_KINDS && strcmp(key, selector_kind_name(kind)))
		kind++;
	if (kind == SELECTOR_KINDS)
		return unknown(p, "selector", key, kinds);
	list = array_grow(c->selector, c->n, &c->room, sizeof(*list));
	if (!list)
		return fail(p, -ENOMEM, 1, strerror(ENOMEM));
	c->selector = list;
	if (selector_parse(kind, value, &list[c->n], why, sizeof(why)))
		return fail(p, -EINVAL, column_of_value(p), why);
	list[c->n].line = p->number;
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(list[i].text, list[c->n].text))
			continue;
		snprintf(why, sizeof(why), "the same stands in line %u", list[i].line);
		return fail(p, -EINVAL, column_of_key(p), why);
	}
	c->n++;
	return 1;
}

static int add_rule(struct parse *p, const char *value)
{
	struct hop_rule rule;
	char why[256];
	int r = policy_parse_line(value, &rule, why, sizeof(why));

	if (r < 0)
		return fail(p, -EINVAL, column_of_value(p), why);
	if (r > 0)
		return fail(p, -EINVAL, column_of_value(p), "there is no rule");
	if (policy_insert(p->config.policy, &rule, 0))
		return fail(p, -EINVAL, column_of_key(p), "too many rules");
	return 1;
}

static int on_policy(struct parse *p, const char *key, const char *value)
{
	static const char *const keys[] = {"file", "rule", NULL};
	bool is_file = !strcmp(key, "file");
	char why[512];

	if (!listed(key, keys))
		return unknown(p, "key", key, keys);
	if (is_file && once(p, "policy", key))
		return 0;
	if (is_file ? p->policy_rule : p->policy_file)
		return fail(p, -EINVAL, column_of_key(p), "either a file or rules, not both");
	*(is_file ? &p->policy_file : &p->policy_rule) = p->number;
	if (!p->config.policy)
		p->config.policy = calloc(1, sizeof(*p->config.policy));
	if (!p->config.policy)
		return fail(p, -ENOMEM, 1, strerror(ENOMEM));
	if (!is_file)
		return add_rule(p, value);
	if (*value != '/')
		return fail(p, -EINVAL, column_of_value(p), "an absolute path is wanted");
	if (!p->values)
		return 1;
	if (policy_parse_file(value, p->config.policy, why, sizeof(why)))
		return fail(p, -EINVAL, column_of_value(p), why);
	return 1;
}

/* Values that are options of commands, too. */
static int on_value(struct parse *p, const char *section, const char *key, const char *value)
{
	static const char *const instance[] = {"max-connections", "idle-timeout", "heartbeat", NULL};
	static const char *const metrics[] = {"listen", NULL};
	const char *const *keys = strcmp(section, "metrics") ? instance : metrics;
	char why[256] = "it is not known";

	if (!listed(key, keys))
		return unknown(p, "key", key, keys);
	if (once(p, section, key))
		return 0;
	if (p->values && p->values->set(p->values->arg, section, key, value, why, sizeof(why)))
		return fail(p, -EINVAL, column_of_value(p), why);
	return 1;
}

static int on_key(void *arg, const char *section, const char *key, const char *value)
{
	struct parse *p = arg;

	if (p->err)
		return 0;
	if (!*section)
		return fail(p, -EINVAL, column_of_key(p), "it stands before the first section, as [attach]");
	if (!strcmp(section, "attach"))
		return on_attach(p, key, value);
	if (!strcmp(section, "policy"))
		return on_policy(p, key, value);
	return on_value(p, section, key, value);
}

static int parse_stream(struct parse *p, const char *path, FILE *f, struct config *out)
{
	int bad_line;

	p->file = f;
	snprintf(p->config.file, sizeof(p->config.file), "%s", path);
	bad_line = ini_parse_stream(read_line, p, on_key, p);
	if (bad_line > 0 && (!p->err || (unsigned int)bad_line < p->number)) {
		p->err = 0; /* what libinih itself could not read came first */
		p->number = bad_line;
		fail(p, -EINVAL, 1, "it is neither KEY = VALUE nor a [section] nor a comment");
	}
	free(p->line);
	free(p->once);
	if (p->err)
		config_free(&p->config);
	else
		*out = p->config;
	return p->err;
}

/* All of it: whoever puts it in force keeps what was read, not what the file has become. */
static char *read_text(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = f ? calloc(1, TEXT_MAX + 1) : NULL;
	char *ret = text;
	size_t n;

	if (!text)
		return NULL;
	n = fread(text, 1, TEXT_MAX + 1, f);
	if (ferror(f))
		return NULL;
	if (n > TEXT_MAX || strlen(text) != n) {
		errno = n > TEXT_MAX ? EFBIG : EILSEQ;
		return NULL;
	}
	text = NULL;
	return ret;
}

int config_parse_text(const char *path, const char *text, const struct config_values *values,
		      struct config *out, char *why, size_t size)
{
	struct parse p = {.values = values, .why = why, .size = size};
	/* it takes no empty one */
	_cleanup_fclose_ FILE *f = fmemopen((char *)(*text ? text : "\n"), strlen(text) ?: 1, "r");

	p.config.text = strdup(text);
	if (!f || !p.config.text) {
		snprintf(why, size, "%s", strerror(ENOMEM));
		free(p.config.text);
		return -ENOMEM;
	}
	return parse_stream(&p, path, f, out);
}

int config_parse_file(const char *path, const struct config_values *values, struct config *out, char *why,
		      size_t size)
{
	_cleanup_free_ char *text = read_text(path);
	int err = text ? 0 : -errno;
	char absolute[PATH_MAX];

	if (err == -EILSEQ)
		snprintf(why, size, "%s: it has a NUL byte, so it is no text file", path);
	else if (err)
		snprintf(why, size, "cannot read '%s': %s", path, strerror(-err));
	if (err)
		return err == -EILSEQ ? -EINVAL : err;
	return config_parse_text(realpath(path, absolute) ?: path, text, values, out, why, size);
}

void config_free(struct config *c)
{
	free(c->selector);
	free(c->policy);
	free(c->text);
	*c = (struct config){0};
}

void config_locate(const char *arg, char *path, size_t path_size, char *instance, size_t instance_size)
{
	const char *slash = strrchr(arg, '/'), *base = slash ? slash + 1 : arg;
	size_t n = strlen(base);
	bool conf = n > 5 && !strcmp(base + n - 5, ".conf");

	if (slash || conf)
		snprintf(path, path_size, "%s", arg);
	else
		snprintf(path, path_size, "%s/%s.conf", CONFIG_FOLDER, arg);
	snprintf(instance, instance_size, "%.*s", (int)(n - (conf ? 5 : 0)), base);
}
