/**
 * The declarative part: reads the directives of a block, then runs the stages in Jenkins' own order. Transformed like
 * the Jenkinsfile, since it calls the bodies of that file: a step in one of them suspends all of it.
 */
class Declarative implements Serializable {
    private static final long serialVersionUID = 1L

    final Jenkins jenkins
    final Script script

    Declarative(Jenkins jenkins, Script script) {
        this.jenkins = jenkins
        this.script = script
    }

    void pipeline(Closure body) {
        Map block = directives('pipeline', body)
        jenkins.declare(read(block.parameters).entries)
        try {
            jenkins.declared.putAll(read(block.environment).assigned)
            // Options hold before the agent does; a lock is waited for without an executor.
            jenkins.lock(read(block.options).entries)
            agent(block.agent)
            stages(block.stages)
        } catch (Throwable thrown) {
            jenkins.settle(thrown)
        }
        post(block.post)
    }

    void stages(Closure body) {
        List entries = read(body).entries
        for (int index = 0; index < entries.size(); index++) {
            assert entries[index].name == 'stage'
            stage(entries[index].args[0], entries[index].args[1])
        }
    }

    void stage(String name, Closure body) {
        Map block = directives('stage', body)
        String before = jenkins.workspace
        agent(block.agent)
        try {
            if (!isDue(block.when)) {
                return
            }
            jenkins.enterStage(name)
            jenkins.declared.putAll(read(block.environment).assigned)
            if (block.steps) {
                runBody(block.steps)
            }
            if (block.stages) {
                stages(block.stages)
            }
        } catch (Throwable thrown) {
            jenkins.settle(thrown)
            throw thrown
        } finally {
            post(block.post)
            jenkins.workspace = before
        }
    }

    boolean isDue(Closure conditions) {
        List entries = read(conditions).entries
        for (int index = 0; index < entries.size(); index++) {
            assert entries[index].name == 'expression'
            if (!runBody(entries[index].args[0])) {
                return false
            }
        }
        return true
    }

    void post(Closure body) {
        List entries = read(body).entries
        List due = jenkins.postConditions()
        for (int index = 0; index < due.size(); index++) {
            for (int entry = 0; entry < entries.size(); entry++) {
                if (entries[entry].name == due[index]) {
                    runBody(entries[entry].args[0])
                }
            }
        }
    }

    void agent(Object given) {
        if (given instanceof Closure) {
            Directives agent = read(given)
            Directives node = read(agent.first('node'))
            jenkins.allocate(node.first('label'), node.first('customWorkspace'))
        } else {
            assert given == null || given == 'none'
        }
    }

    Map directives(String kind, Closure body) {
        Directives reader = read(body)
        return reader.checked(kind)
    }

    Directives read(Closure body) {
        Directives reader = new Directives(script)
        if (body) {
            body.delegate = reader
            body.resolveStrategy = Closure.DELEGATE_FIRST
            body()
        }
        return reader
    }

    Object runBody(Closure body) {
        body.delegate = script
        body.resolveStrategy = Closure.DELEGATE_FIRST
        return body()
    }
}
