import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.CpsTransformer
import com.cloudbees.groovy.cps.NonCPS
import com.cloudbees.groovy.cps.Outcome
import com.cloudbees.groovy.cps.impl.CpsCallableInvocation
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

/**
 * Runs a Jenkinsfile on groovy-cps, the engine that Jenkins runs pipelines on: the file is compiled into continuations,
 * a step suspends the program, and the step's result resumes it. At every step the program is serialized, the original
 * is dropped, and the copy that was restored from the bytes runs on. At every question this happens as it does when
 * Jenkins restarts: the file is compiled again, and the program is restored into the new classes.
 */
class Engine {
    // Stand-ins under their real names, so that an import or a catch in the Jenkinsfile means what it says.
    private static final List<String> STAND_INS = [
        '''package org.jenkinsci.plugins.workflow.steps
        class FlowInterruptedException extends InterruptedException {
            final String result
            final List causes
            FlowInterruptedException(String result, Object cause) {
                super(cause.toString())
                this.result = result
                this.causes = [cause]
            }
        }''',
        'package hudson\nclass AbortException extends IOException { AbortException(String text) { super(text) } }',
        '''package org.jenkinsci.plugins.workflow.support.steps.input
        class Rejection implements Serializable { String toString() { "Rejected by bob" } }''',
        '''package org.jenkinsci.plugins.workflow.steps
        class TimeoutStepExecution {
            static class ExceededTimeout implements Serializable { String toString() { "Timeout has been exceeded" } }
        }''',
        '''package jenkins.model
        class CauseOfInterruption {
            static class UserInterruption implements Serializable { String toString() { "Aborted by bob" } }
        }''',
    ]
    final GroovyClassLoader standIns
    private final GroovyClassLoader library // the harness' own transformed classes
    private GroovyClassLoader program
    int restored = 0 // how often the program was serialized and restored
    int restarted = 0 // how often that was into newly compiled classes

    Engine(File harness) {
        standIns = new GroovyClassLoader(Engine.classLoader)
        STAND_INS.each { standIns.parseClass(it) }
        library = new GroovyClassLoader(standIns, configuration(null))
        ['BlockSteps', 'Declarative'].each { library.parseClass(new File(harness, "cps/${it}.groovy")) }
    }

    Object transformed(String name, Object... args) { library.loadClass(name).newInstance(args) }

    /** Run one build. Its outcome is in `jenkins`; what would not work in Jenkins is a PipelineError. */
    void run(File jenkinsfile, Jenkins jenkins) {
        restored = restarted = 0
        Jenkins.running = jenkins
        List<String> mismatches = []
        CpsCallableInvocation.registerMismatchHandler { receiver, expected, actualReceiver, actual ->
            mismatches << "${receiver?.getClass()?.name}.${expected} called ${actual}".toString()
        }
        Script script = compiled(jenkinsfile).newInstance()
        script.setJenkins(jenkins)
        Continuable suspended = new Continuable(script)
        Outcome result = new Outcome(null, null)
        while (true) {
            Outcome yielded = suspended.run0(result, [SerializableIterators] + Continuable.categories)
            // Each call of a step must have suspended the program once.
            if (jenkins.called != restored + (suspended.resumable ? 1 : 0)) {
                mismatches << 'a step was called that never ran'
            }
            if (mismatches) {
                throw new PipelineError("called from code that cannot be suspended: ${mismatches.join('; ')}")
            }
            if (!suspended.resumable) {
                if (yielded.abnormal) {
                    throw yielded.abnormal
                }
                return
            }
            Request request = yielded.normal
            byte[] bytes = serialized([suspended, request], request.name)
            if (request.name == 'input') {
                compiled(jenkinsfile)
                restarted++
            }
            (suspended, request) = restoredFrom(bytes, request.name)
            restored++
            result = jenkins.performed(request)
        }
    }

    private Class compiled(File jenkinsfile) {
        program = new GroovyClassLoader(library, configuration('Pipeline'))
        program.parseClass(jenkinsfile.getText('UTF-8'), 'WorkflowScript.groovy')
    }

    private byte[] serialized(Object state, String step) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream()
        try {
            new ObjectOutputStream(bytes).withStream { it.writeObject(state) }
        } catch (NotSerializableException failed) {
            throw new PipelineError("cannot be suspended at ${step}: ${failed}", failed)
        }
        bytes.toByteArray()
    }

    private Object restoredFrom(byte[] bytes, String step) {
        try {
            new LoaderInputStream(new ByteArrayInputStream(bytes), program).withStream { it.readObject() }
        } catch (IOException | ClassNotFoundException failed) {
            throw new PipelineError("cannot be resumed at ${step}: ${failed}", failed)
        }
    }

    /** The imports and the transformation that workflow-cps sets up (CpsGroovyShellFactory). */
    private static CompilerConfiguration configuration(String base) {
        CompilerConfiguration made = new CompilerConfiguration()
        made.addCompilationCustomizers(
            new ImportCustomizer().addStarImports(NonCPS.package.name, 'hudson.model', 'jenkins.model'),
            new CpsTransformer())
        if (base) {
            made.scriptBaseClass = base
        }
        made
    }
}
